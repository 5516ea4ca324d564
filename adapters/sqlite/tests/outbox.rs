//! One record of the outbox that can't be read keeps no other from being carried out, and is lost to nobody.

use std::sync::Arc;
use std::time::Duration;

use doorwarden_core::audit::{AuditFilter, AuditName};
use doorwarden_core::client::Client;
use doorwarden_core::delivery::OutboxSize;
use doorwarden_core::engine::Engine;
use doorwarden_core::password::Password;
use doorwarden_core::policy::Policy;
use doorwarden_core::seal::SealKeys;
use doorwarden_core::sign_up::SignUpForm;
use doorwarden_core::store::Directory;
use doorwarden_core::testing::{ManualClock, MemoryMailer};
use doorwarden_core::time::Timestamp;
use doorwarden_core::upkeep::Upkeep;
use doorwarden_sqlite::{SqliteConfig, SqliteStore};
use futures_executor::block_on;
use rusqlite::Connection;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const BROKEN: &str = "{\"parcel\":\"hunter2";

#[test]
fn an_unreadable_delivery_is_set_aside_and_the_others_go() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("d.db");
    let store = Arc::new(SqliteStore::open(&SqliteConfig::new(file.clone())).unwrap());
    let (mailer, clock) = (Arc::new(MemoryMailer::default()), Arc::new(ManualClock::new(NOW)));
    let mut policy = Policy::default();
    policy.password.bcrypt_cost = 4;
    let builder = Engine::builder().store(store.clone()).mailer(mailer.clone()).clock(clock.clone()).policy(policy);
    let engine = block_on(builder.seal_keys(SealKeys::new(&[7; 32], &[])).upkeep(Upkeep::ByHost).start()).unwrap();

    mailer.fail_next(3);
    for name in ["ada", "eve", "joe"] {
        let password = Password::new("correct horse 1!".to_owned());
        let form = SignUpForm::new(format!("{name}@example.org"), password, Client::default());
        block_on(engine.sign_up(form)).unwrap();
    }
    let database = Connection::open(&file).unwrap();
    let broken = "UPDATE deliveries SET body = ?1 WHERE id = (SELECT min(id) FROM deliveries)";
    assert_eq!(database.execute(broken, [BROKEN]).unwrap(), 1);

    clock.advance(Duration::from_secs(60));
    assert_eq!(block_on(engine.upkeep()).unwrap(), 2, "the other two are carried out");
    assert_eq!(mailer.mails().len(), 2);
    // It may be of a newer release whose processes run beside this one.
    assert_eq!(block_on(store.outbox_size()).unwrap(), OutboxSize { waiting: 1, set_aside: 0 });

    clock.advance(Duration::from_secs(600));
    assert_eq!(block_on(engine.upkeep()).unwrap(), 0);
    assert_eq!(block_on(store.outbox_size()).unwrap(), OutboxSize { waiting: 0, set_aside: 1 });
    let filter = AuditFilter { name: Some(AuditName::DeliverySetAside), ..AuditFilter::default() };
    let told = || block_on(store.audit(&filter, 10)).unwrap().len();
    assert_eq!(told(), 1);
    block_on(engine.upkeep()).unwrap();
    assert_eq!(told(), 1, "told once");
    let body: String = database.query_row("SELECT body FROM deliveries", [], |row| row.get(0)).unwrap();
    assert_eq!(body, BROKEN, "the record is kept as it is");
}
