//! FA7 over the death of the process: a trail that is killed while it is linked is whole, and is carried on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::Call;
use crate::process::{Folder, Portal, WITHOUT_MAILS, until};
use crate::secrets::told;

const KILLS: u64 = 8;
const CALLERS: usize = 4;

fn count(folder: &Folder, of: &str) -> u64 {
    let number: i64 = folder.database().query_row(of, [], |row| row.get(0)).unwrap();
    u64::try_from(number).unwrap()
}

fn linked(folder: &Folder) -> u64 {
    count(folder, "SELECT count(*) FROM audit WHERE number IS NOT NULL")
}

/// What `doorwarden audit verify` finds; it ends with status 0, or this does.
fn verified(folder: &Folder) -> Value {
    let found: Value = serde_json::from_str(&told(folder, &["--json", "audit", "verify"])).unwrap();
    assert_eq!((&found["whole"], &found["broken"]), (&json!(true), &Value::Null), "{found}");
    found
}

/// Writes events until it is over, each a refusal of another name.
fn write_on(address: &str, caller: usize, kill: u64, over: &AtomicBool) {
    for n in (0..100_000).take_while(|_| !over.load(Ordering::SeqCst)) {
        let form = json!({ "identifier": format!("k{kill}-{caller}-{n}@example.org"), "password": "wrong" });
        // It may die with the process that it is sent to.
        let _ = Call::new(address, "POST", "/auth/login").json(&form).attempt();
    }
}

#[test]
fn fa7_fa1_a_trail_that_is_killed_while_it_is_linked_is_whole_and_carried_on() {
    let folder = Folder::new(WITHOUT_MAILS);
    let mut chance = 11_u64;
    for kill in 0..KILLS {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut portal = folder.start();
        let before = linked(&folder);
        let (address, over) = (portal.address.clone(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let (address, over) = (&address, &over);
            for caller in 0..CALLERS {
                scope.spawn(move || write_on(address, caller, kill, over));
            }
            until("links of this storm", || (linked(&folder) > before).then_some(()));
            // Somewhere in the second until the next slice is linked.
            std::thread::sleep(Duration::from_micros((chance >> 33) % 1_100_000));
            portal.kill();
            over.store(true, Ordering::SeqCst);
        });
        assert!(verified(&folder)["verified"].as_u64() > Some(before), "kill {kill}");
    }
    let portal = folder.start();
    until("all is linked", || (count(&folder, "SELECT count(*) FROM audit WHERE number IS NULL") == 0).then_some(()));
    Portal::stop(portal);
    let events = count(&folder, "SELECT count(*) FROM audit");
    let found = verified(&folder);
    assert_eq!((found["verified"].as_u64(), found["unlinked"].as_u64()), (Some(events), Some(0)), "{found}");
}
