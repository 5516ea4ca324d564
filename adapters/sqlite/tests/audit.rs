//! The audit trail under the hands of somebody who can write the file: every change shows, and the first is named.

#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use doorwarden_core::audit::{Checkpoint, Tampering, Verification};
use doorwarden_core::client::Client;
use doorwarden_core::engine::Engine;
use doorwarden_core::policy::Policy;
use doorwarden_core::seal::SealKeys;
use doorwarden_core::testing::{ManualClock, MemoryMailer};
use doorwarden_core::time::Timestamp;
use doorwarden_core::upkeep::Upkeep;
use doorwarden_core::user::UserId;
use doorwarden_sqlite::{SqliteConfig, SqliteStore};
use futures_executor::block_on;
use rusqlite::Connection;

const KEY: [u8; 32] = [7; 32];
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Arc::new(ManualClock::new(NOW)) }
    }

    /// Of 20 linked records.
    fn linked() -> Self {
        let world = Self::new();
        world.record(20);
        world
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("d.db")
    }

    /// An engine of its own, as another process would have.
    fn engine(&self) -> Engine {
        self.engine_with(SealKeys::new(&KEY, &[]))
    }

    fn engine_with(&self, keys: SealKeys) -> Engine {
        let store = Arc::new(SqliteStore::open(&SqliteConfig::new(self.file())).unwrap());
        let builder = Engine::builder().store(store).mailer(Arc::new(MemoryMailer::default())).seal_keys(keys);
        block_on(builder.clock(self.clock.clone()).upkeep(Upkeep::ByHost).start()).unwrap()
    }

    fn record(&self, events: u32) {
        let engine = self.engine();
        record(&engine, events);
        block_on(engine.link_audit()).unwrap();
    }

    fn verify(&self) -> Verification {
        block_on(self.engine().verify_audit(&[])).unwrap()
    }

    fn sql(&self, statements: &str) {
        Connection::open(self.file()).unwrap().execute_batch(statements).unwrap();
    }

    /// What was done, to which number, at which position.
    fn broken(&self) -> (Tampering, u64, Option<u64>) {
        let found = self.verify();
        let broken = found.broken.unwrap();
        assert!(broken.number == 0 || found.verified == broken.number - 1, "all before it were verified: {broken}");
        (broken.tampering, broken.number, broken.position.map(|position| position.0))
    }
}

/// Events of accounts 0, 1, 2, a millisecond after each other.
fn record(engine: &Engine, events: u32) {
    for number in 0..events {
        let nobody = UserId::from_bytes(u128::from(number).to_be_bytes());
        // Refused, and on the trail as such.
        block_on(engine.end_sessions(nobody, &Client::default())).unwrap_err();
    }
}

#[test]
fn fa7_an_untouched_trail_is_whole_and_says_what_is_not_linked_yet() {
    let world = World::linked();
    let found = world.verify();
    assert!(found.is_whole(), "{found:?}");
    assert_eq!((found.verified, found.unlinked, found.unlinked_since), (20, 0, None));
    record(&world.engine(), 3);
    let found = world.verify();
    assert!(found.is_whole(), "{found:?}");
    assert_eq!((found.verified, found.unlinked, found.unlinked_since), (20, 3, Some(NOW)));
    assert_eq!(block_on(world.engine().link_audit()).unwrap(), 3);
    assert_eq!((world.verify().verified, world.verify().unlinked), (23, 0));
}

#[test]
fn fa7_a_changed_record_is_named_whichever_of_its_columns_it_is() {
    for change in [
        "body = replace(body, 'refusal', 'success')",
        "body = body || ' '",
        "body = 'no JSON'",
        "body = CAST(x'ff' AS TEXT)",
        "time = time + 1",
        "user = x'ffffffffffffffffffffffffffffffff'",
        "user = NULL",
        "user = x'00'",
        "name = 'login.failed'",
        "id = x'00000000000000000000000000000000'",
        "id = NULL",
        "number = 99",
        "number = NULL",
        "number = NULL, tag = NULL",
        "body = (SELECT body FROM audit WHERE position = 3), tag = (SELECT tag FROM audit WHERE position = 3)",
    ] {
        for position in [1, 7, 20] {
            let world = World::linked();
            world.sql(&format!("UPDATE audit SET {change} WHERE position = {position}"));
            assert_eq!(world.broken(), (Tampering::Changed, position, Some(position)), "{change} at {position}");
        }
    }
}

#[test]
fn fa7_a_changed_tag_is_named_unless_it_may_be_by_a_key_that_is_gone() {
    for tag in ["zeroblob(40)", "x'00'", "NULL", "(SELECT tag FROM audit WHERE position = 3)"] {
        for position in [7, 20] {
            let world = World::linked();
            world.sql(&format!("UPDATE audit SET tag = {tag} WHERE position = {position}"));
            assert_eq!(world.broken(), (Tampering::Changed, position, Some(position)), "{tag} at {position}");
        }
    }
    let world = World::linked();
    world.sql("UPDATE audit SET tag = zeroblob(40) WHERE position = 1");
    let found = world.verify();
    assert!(found.is_whole(), "{found:?}");
    assert_eq!(found.by_lost_keys, 1, "the next one vouches for its content");
    world.sql("UPDATE audit SET body = body || ' ' WHERE position = 1");
    assert_eq!(world.verify().broken.unwrap().number, 1);
}

#[test]
fn fa7_a_removed_record_is_named() {
    for (removed, number) in [("1", 1), ("7", 7), ("19", 19), ("4, 5, 6, 12", 4)] {
        let world = World::linked();
        world.sql(&format!("DELETE FROM audit WHERE position IN ({removed})"));
        assert_eq!(world.broken(), (Tampering::Removed, number, None), "{removed}");
    }
}

#[test]
fn fa7_a_cut_tail_is_named_though_new_events_follow() {
    for (first, count) in [(20, 0), (15, 0), (1, 0), (15, 2_u32)] {
        let world = World::linked();
        world.sql(&format!("DELETE FROM audit WHERE position >= {first}"));
        record(&world.engine(), count);
        assert_eq!(world.broken(), (Tampering::CutOff, first, None), "{first}");
        // Positions that are given again don't hide it.
        world.sql(&format!("UPDATE sqlite_sequence SET seq = {first} - 1"));
        record(&world.engine(), 3);
        let (tampering, number, _) = world.broken();
        assert!(number == first && tampering != Tampering::Removed, "{first}: {tampering:?} {number}");
    }
}

#[test]
fn fa7_records_that_changed_places_are_named() {
    let swapped = |columns: &str| {
        let world = World::linked();
        world.sql(&format!(
            "CREATE TABLE t AS SELECT * FROM audit; \
             UPDATE audit SET ({columns}) = (SELECT {columns} FROM t WHERE t.position = 21 - audit.position) \
             WHERE position IN (8, 13); DROP TABLE t"
        ));
        world.broken()
    };
    assert_eq!(swapped("time, user, name, body, id"), (Tampering::Reordered, 8, Some(8)));
    assert_eq!(swapped("time, user, name, body, id, number, tag"), (Tampering::Reordered, 8, Some(8)));
}

#[test]
fn fa7_an_inserted_record_is_named() {
    let insert = |position: &str, number: &str, tag: &str| {
        format!(
            "INSERT INTO audit (position, time, user, name, body, id, number, tag) \
             SELECT {position}, time, user, name, body, id, {number}, {tag} FROM audit WHERE position = 3"
        )
    };
    let gap = "CREATE TABLE t AS SELECT * FROM audit WHERE position > 9; DELETE FROM audit WHERE position > 9; ";
    // A trail with a gap between 20 and 31, as another store may have.
    let world = || {
        let world = World::linked();
        world.sql("UPDATE sqlite_sequence SET seq = 30");
        world.record(5);
        world
    };
    for (number, tag) in [("NULL", "NULL"), ("21", "zeroblob(40)"), ("21", "tag"), ("number", "tag")] {
        let world = world();
        world.sql(&insert("25", number, tag));
        assert_eq!(world.broken(), (Tampering::Inserted, 21, Some(25)), "{number} {tag}");
    }
    let world = world();
    world.sql(&insert("0", "NULL", "NULL"));
    assert_eq!(world.broken(), (Tampering::Inserted, 1, Some(0)), "before the first");
    let world = self::World::linked();
    world.sql(&format!(
        "{gap} {}; INSERT INTO audit (position, time, user, name, body, id, number, tag) \
         SELECT position + 1, time, user, name, body, id, number + 1, tag FROM t; DROP TABLE t",
        insert("10", "10", "tag")
    ));
    let (_, number, position) = world.broken();
    assert_eq!((number, position), (10, Some(10)), "all behind it were moved");
}

#[test]
fn fa7_a_changed_or_removed_head_is_named_and_the_chain_is_not_carried_on() {
    for change in [
        "UPDATE audit_chain SET body = json_set(body, '$.head.number', 19)",
        "UPDATE audit_chain SET body = json_set(body, '$.anchor.number', 1)",
        "UPDATE audit_chain SET body = json_set(body, '$.swept_at', 1)",
        "UPDATE audit_chain SET body = json_remove(body, '$.tag')",
        "UPDATE audit_chain SET body = 'no JSON'",
        "DELETE FROM audit_chain",
    ] {
        let world = World::linked();
        world.sql(change);
        record(&world.engine(), 1);
        let linked = block_on(world.engine().link_audit());
        assert!(linked.is_err(), "{change}: {linked:?}");
        assert_eq!(world.broken(), (Tampering::Head, 0, None), "{change}");
    }
}

#[test]
fn fa7_an_old_head_put_back_shows() {
    let world = World::linked();
    let old: String = body(&world);
    let revision: i64 = Connection::open(world.file())
        .unwrap()
        .query_row("SELECT revision FROM audit_chain", [], |r| r.get(0))
        .unwrap();
    world.record(5);
    let put_back = format!("UPDATE audit_chain SET body = '{old}', revision = {revision}");
    world.sql(&put_back);
    assert_eq!(world.broken(), (Tampering::Head, 0, None), "the records behind it are linked");
    assert!(block_on(world.engine().link_audit()).is_err());
}

fn body(world: &World) -> String {
    Connection::open(world.file()).unwrap().query_row("SELECT body FROM audit_chain", [], |r| r.get(0)).unwrap()
}

#[test]
fn fa7_an_old_copy_of_the_whole_trail_shows_by_a_checkpoint_kept_elsewhere() {
    let world = World::linked();
    let copy = world.folder.path().join("copy.db");
    world.sql(&format!("VACUUM INTO '{}'", copy.display()));
    let before = checkpoint(&world);
    world.record(5);
    let kept = checkpoint(&world);
    let check = |kept: &[Checkpoint]| block_on(world.engine().verify_audit(kept)).unwrap();
    assert!(check(&[before, kept]).is_whole());

    for rest in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(world.folder.path().join(format!("d.db{rest}")));
    }
    std::fs::copy(&copy, world.file()).unwrap();
    assert!(check(&[before]).is_whole(), "it is whole in itself");
    let broken = check(&[before, kept]).broken.unwrap();
    assert_eq!((broken.tampering, broken.number), (Tampering::CutOff, 21));
    // Going on from there doesn't lead to the checkpoint either.
    world.record(9);
    let broken = check(&[before, kept]).broken.unwrap();
    assert_eq!((broken.tampering, broken.number), (Tampering::Checkpoint, 25));
}

#[test]
fn fa7_a_chain_made_anew_leads_to_no_old_checkpoint() {
    let world = World::linked();
    let kept = checkpoint(&world);
    world.sql(
        "DELETE FROM audit_chain; UPDATE audit SET number = NULL, tag = NULL; DELETE FROM audit WHERE position = 3",
    );
    world.record(4);
    assert!(world.verify().is_whole(), "it is whole in itself");
    let broken = block_on(world.engine().verify_audit(&[kept])).unwrap().broken.unwrap();
    assert_eq!((broken.tampering, broken.number), (Tampering::Checkpoint, 20));
    let forged: Checkpoint = kept.to_string().replace("dwcp1.20", "dwcp1.19").parse().unwrap();
    let broken = block_on(world.engine().verify_audit(&[forged])).unwrap().broken.unwrap();
    assert!(broken.to_string().contains("wasn't made with this seal key"), "{broken}");
}

fn checkpoint(world: &World) -> Checkpoint {
    block_on(world.engine().audit_checkpoint()).unwrap().unwrap()
}

#[test]
fn a_running_engine_notices_that_the_chain_went_back() {
    let world = World::linked();
    let old = body(&world);
    let engine = world.engine();
    record(&engine, 5);
    block_on(engine.link_audit()).unwrap();
    let revision = "(SELECT revision FROM audit_chain)";
    world.sql(&format!(
        "DELETE FROM audit WHERE position > 20; UPDATE audit_chain SET body = json_set('{old}', '$.revision', {revision})"
    ));
    let noticed = block_on(engine.link_audit()).unwrap_err();
    assert!(noticed.to_string().contains("put back"), "{noticed}");
    assert!(world.verify().is_whole(), "another process can't know");
}

#[test]
fn fa7_links_by_an_old_key_are_verified_and_stay_vouched_for_when_it_is_gone() {
    let world = World::linked();
    let (new, old) = ([8; 32], KEY);
    let rotated = world.engine_with(SealKeys::new(&new, &[old]));
    record(&rotated, 5);
    block_on(rotated.link_audit()).unwrap();
    for keys in [SealKeys::new(&new, &[old]), SealKeys::new(&new, &[])] {
        // The canary was sealed with the old key: that engine alone starts.
        let engine = world.engine_with(SealKeys::new(&new, &[old]));
        assert!(block_on(engine.verify_audit(&[])).unwrap().is_whole());
        drop(keys);
    }
    world.sql("UPDATE audit SET body = body || ' ' WHERE position = 7");
    let found = block_on(world.engine_with(SealKeys::new(&new, &[old])).verify_audit(&[])).unwrap();
    assert_eq!(found.broken.unwrap().number, 7);
    world.sql("DELETE FROM markers");
    let without = block_on(world.engine_with(SealKeys::new(&new, &[])).verify_audit(&[])).unwrap();
    let broken = without.broken.unwrap();
    assert_eq!(broken.tampering, Tampering::Changed);
    assert!(broken.to_string().contains("record 1 at position 1 or one of those up to record 20"), "{broken}");
    world.sql("UPDATE audit SET body = trim(body) WHERE position = 7");
    let without = block_on(world.engine_with(SealKeys::new(&new, &[])).verify_audit(&[])).unwrap();
    assert!(without.is_whole(), "{without:?}");
}

#[test]
fn the_head_is_signed_anew_after_a_rotation_though_nothing_happens() {
    let world = World::linked();
    let rotated = world.engine_with(SealKeys::new(&[8; 32], &[KEY]));
    let before = body(&world);
    block_on(rotated.link_audit()).unwrap();
    assert_ne!(body(&world), before);
    let again = body(&world);
    block_on(rotated.link_audit()).unwrap();
    assert_eq!(body(&world), again, "once");
}

fn keeping(days: u64) -> Policy {
    let mut policy = Policy::default();
    policy.audit.keep = Duration::from_secs(days * 86_400);
    policy
}

#[test]
fn retention_removes_what_is_old_and_the_rest_stays_verifiable() {
    let world = World::linked();
    let kept = checkpoint(&world);
    world.clock.advance(Duration::from_secs(10 * 86_400));
    world.record(600);
    world.clock.advance(Duration::from_secs(10 * 86_400 - 1));
    let engine = world.engine();
    block_on(engine.set_policy(keeping(20))).unwrap();
    block_on(engine.upkeep()).unwrap();
    assert_eq!(world.verify().ends.unwrap().anchor.number, 0, "a second early");
    world.clock.advance(Duration::from_millis(1_001));
    block_on(engine.upkeep()).unwrap();
    let found = block_on(world.engine().verify_audit(&[kept])).unwrap();
    assert!(found.is_whole(), "{found:?}");
    let ends = found.ends.unwrap();
    assert_eq!((ends.anchor.number, ends.anchor.time), (20, NOW));
    assert_eq!((found.verified, found.checkpoints), (601, 1), "the checkpoint is at the anchor");
    // A later policy removes more, in several slices, and the checkpoint tells nothing any more.
    block_on(engine.set_policy(keeping(9))).unwrap();
    block_on(engine.upkeep()).unwrap();
    let found = block_on(world.engine().verify_audit(&[kept])).unwrap();
    assert!(found.is_whole(), "{found:?}");
    assert_eq!((found.ends.unwrap().anchor.number, found.checkpoints_outlived), (620, 1));
    assert_eq!(found.verified + found.unlinked, 2, "the changes of the policy");
}

#[test]
fn fa7_who_removes_more_than_retention_did_is_seen() {
    let world = World::linked();
    world.clock.advance(Duration::from_secs(10 * 86_400));
    world.record(5);
    let engine = world.engine();
    block_on(engine.set_policy(keeping(9))).unwrap();
    block_on(engine.upkeep()).unwrap();
    assert!(world.verify().is_whole());
    world.sql("DELETE FROM audit WHERE position = 21");
    assert_eq!(world.broken_after_anchor(), (Tampering::Removed, 21));
    world.sql("DELETE FROM audit");
    assert_eq!(world.broken_after_anchor(), (Tampering::CutOff, 21));
}

impl World {
    fn broken_after_anchor(&self) -> (Tampering, u64) {
        let broken = self.verify().broken.unwrap();
        (broken.tampering, broken.number)
    }
}

#[test]
fn a_changed_record_is_evidence_and_stays() {
    let world = World::linked();
    world.sql("UPDATE audit SET body = replace(body, 'refusal', 'success') WHERE position = 7");
    world.clock.advance(Duration::from_secs(500 * 86_400));
    let refused = block_on(world.engine().upkeep()).unwrap_err();
    assert!(refused.to_string().contains("record 7 was changed"), "{refused}");
    assert_eq!(world.broken(), (Tampering::Changed, 7, Some(7)));
}

#[test]
fn fa9_a_long_trail_is_walked_by_pages_while_others_record_and_link() {
    let world = World::new();
    let engine = world.engine();
    for _ in 0..10 {
        record(&engine, 250);
    }
    block_on(engine.link_audit()).unwrap();
    std::thread::scope(|scope| {
        let recorder = scope.spawn(|| {
            let other = world.engine();
            for _ in 0..20 {
                record(&other, 10);
                block_on(other.link_audit()).unwrap();
            }
        });
        while !recorder.is_finished() {
            let found = block_on(engine.verify_audit(&[])).unwrap();
            assert!(found.is_whole() && found.verified >= 2_500, "{found:?}");
        }
    });
    assert_eq!(world.verify().verified, 2_700);
}

#[test]
fn of_several_processes_that_link_each_event_is_linked_once() {
    let world = World::new();
    record(&world.engine(), 200);
    let linked: u64 = std::thread::scope(|scope| {
        let linkers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let engine = world.engine();
                    record(&engine, 50);
                    let mut linked = 0;
                    while block_on(engine.verify_audit(&[])).unwrap().unlinked > 0 {
                        linked += block_on(engine.link_audit()).unwrap();
                    }
                    linked
                })
            })
            .collect();
        linkers.into_iter().map(|linker| linker.join().unwrap()).sum()
    });
    let found = world.verify();
    assert!(found.is_whole(), "{found:?}");
    assert_eq!((linked, found.verified, found.unlinked), (600, 600, 0));
}
