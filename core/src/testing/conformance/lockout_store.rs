//! What a [`LockoutStore`] promises of its answers; what it promises of their number: [`super::lockout_bounds`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_executor::block_on;

use super::samples::{at, digest, user_id};
use super::{Dice, race, until_it_works};
use crate::lockout::{
    Charge, Escalation, Forget, Forgiven, GuessId, GuessKind, Lockout, LockoutRule, LockoutSubject, Restriction,
    Settled, Verdict,
};
use crate::rate::{Admission, RateKey, RateLimit, RateWindow};
use crate::store::LockoutStore;
use crate::time::Timestamp;
use crate::token::Digest;

/// Makes a test of each property of a [`LockoutStore`](crate::store::LockoutStore); how to apply it:
/// [`conformance`](crate::testing::conformance).
#[macro_export]
macro_rules! lockout_store_conformance {
    ($open:expr, $open_bounded_to_100:expr $(,)?) => {
        $crate::conformance_suite! {
            lockout_store, LockoutStore, $open,
            answers_as_the_pure_lockout_does,
            admits_as_the_pure_window_does,
            a_sweep_changes_no_answer,
            of_300_wrong_guesses_at_once_exactly_eleven_are_granted,
            of_50_right_guesses_at_once_all_get_in,
            of_200_at_once_exactly_the_limit_is_admitted,
            a_restriction_ends_at_its_exact_millisecond,
            an_unfinished_count_is_forgotten_at_its_exact_millisecond,
            a_restriction_is_lifted_by_one_of_100,
            a_reset_forgives_passwords_and_leaves_codes_counted,
            of_wrong_guesses_at_once_between_restrictions_exactly_100_are_granted,
            a_closed_count_survives_a_restart_and_every_sweep,
            subjects_are_counted_apart,
            a_charge_and_a_restriction_survive_a_restart,
            an_admission_survives_a_restart,
            a_sweep_takes_slices_and_only_what_is_over,
        }
        $crate::conformance_suite! {
            lockout_bounds, LockoutStore, $open_bounded_to_100,
            counters_of_unknown_identifiers_and_addresses_are_bounded,
            rates_are_bounded,
            a_flood_never_evicts_the_counter_of_an_account_or_access_key,
        }
    };
}

/// Promise 1: over long histories every answer is the one that the pure [`Lockout`] gives.
pub fn answers_as_the_pure_lockout_does(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    for seed in 0..16 {
        History::new(seed, open).run(300, Sweeps::Never);
    }
}

/// Promise 1: over long histories every answer is the one that the pure [`RateWindow`] gives.
pub fn admits_as_the_pure_window_does(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let handles = [open(), open()];
    let limits = [RateLimit::per_hour(3), RateLimit { count: 0, ..RateLimit::per_hour(0) }, RateLimit::per_hour(1)];
    for seed in 0..16 {
        let (mut dice, mut now) = (Dice::new(seed), 0);
        let mut windows: BTreeMap<RateKey, RateWindow> = BTreeMap::new();
        for step in 0..120 {
            now += dice.pick(&[0, 0, 0, 1, 999, 1_799_999, 3_599_999, 3_600_000, 3_600_001]);
            let key = RateKey(digest("rate", u32::try_from(seed * 10 + dice.below(2)).unwrap()));
            // A reload of the policy changes the limit of a window that is being counted.
            let limit = limits[if dice.below(8) > 0 { 0 } else { usize::try_from(dice.below(3)).unwrap() }];
            let expected = windows.entry(key).or_default().admit(&limit, at(now));
            let answer = block_on(dice.pick(&[&handles[0], &handles[1]]).admit(&key, &limit, at(now))).unwrap();
            assert_eq!(answer, expected, "seed {seed}, step {step}, {limit:?}, {now} ms");
            if dice.below(6) == 0 {
                block_on(handles[0].sweep(at(now), 100)).unwrap();
            }
        }
    }
}

/// Promise 3: forgetting a counter whose time is over is never noticed.
pub fn a_sweep_changes_no_answer(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    for seed in 100..116 {
        History::new(seed, open).run(300, Sweeps::Often);
    }
}

/// Promise 1: of any number of wrong guesses at once, before and after those in flight fail, eleven are evaluated.
pub fn of_300_wrong_guesses_at_once_exactly_eleven_are_granted(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let subject = LockoutSubject::Account(user_id(1));
    let charges = race(open, 300, |store, caller| {
        block_on(store.charge(&subject, guess(caller), PASSWORD, &RULE, at(0))).unwrap()
    });
    let granted: Vec<usize> = (0..300).filter(|caller| charges[*caller] == Charge::Granted).collect();
    assert_eq!(granted.len(), 11);
    assert_eq!(charges.iter().filter(|charge| **charge == Charge::Undecided).count(), 289);
    let settled = race(open, granted.len(), |store, caller| {
        block_on(store.settle(&subject, guess(granted[caller]), Verdict::Failed, &RULE, at(5))).unwrap()
    });
    let mut before: Vec<u32> = settled.iter().map(|settled| settled.failures_before).collect();
    before.sort_unstable();
    assert_eq!(before, (0..11).collect::<Vec<u32>>(), "each failure is counted once");
    let crossed: Vec<&Settled> = settled.iter().filter(|settled| settled.restriction.is_some()).collect();
    assert_eq!(crossed.len(), 1, "one of them crossed the line: {crossed:?}");
    let until = Restriction::Until(at(5).after(RULE.duration));
    assert_eq!((crossed[0].failures_before, crossed[0].restriction), (10, Some(until)));
    let refused = race(open, 300, |store, caller| {
        block_on(store.charge(&subject, guess(1_000 + caller), PASSWORD, &RULE, at(6))).unwrap()
    });
    let reports: Vec<Option<u32>> = refused
        .iter()
        .map(|charge| match charge {
            Charge::Restricted { restriction, report } if *restriction == until => *report,
            other => panic!("while restricted: {other:?}"),
        })
        .collect();
    assert_eq!(reports.iter().flatten().collect::<Vec<_>>(), [&1], "one refusal is reported, the others are counted");
}

/// Promise 1: right guesses wait for those in flight and all pass; nothing is left of them.
pub fn of_50_right_guesses_at_once_all_get_in(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let subject = LockoutSubject::Account(user_id(1));
    race(open, 50, |store, caller| {
        until_it_works(|| {
            block_on(store.charge(&subject, guess(caller), PASSWORD, &RULE, at(0))).unwrap() == Charge::Granted
        });
        let verdict = if caller % 2 == 0 { Verdict::Completed } else { Verdict::Withdrawn };
        block_on(store.settle(&subject, guess(caller), verdict, &RULE, at(0))).unwrap();
    });
    let store = open();
    let granted = (100..120)
        .filter(|n| block_on(store.charge(&subject, guess(*n), PASSWORD, &RULE, at(1))).unwrap() == Charge::Granted);
    assert_eq!(granted.count(), 11, "no reservation is left");
}

/// Promise 1: of any number at once as many are admitted as the limit says.
pub fn of_200_at_once_exactly_the_limit_is_admitted(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    for (number, count) in (1..).zip([1, 7]) {
        let (key, limit) = (RateKey(digest("rate", number)), RateLimit::per_hour(count));
        let answers = race(open, 200, |store, _| block_on(store.admit(&key, &limit, at(0))).unwrap());
        let admitted = answers.iter().filter(|answer| **answer == Admission::Admitted).count();
        assert_eq!(admitted, count as usize);
        let refused = Admission::Refused { retry_after: Duration::from_secs(3_600) };
        assert_eq!(answers.iter().filter(|answer| **answer == refused).count(), 200 - admitted);
    }
}

/// Promise 1: the last millisecond of a restriction refuses, the next one grants and starts at zero.
pub fn a_restriction_ends_at_its_exact_millisecond(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let (store, end) = (open(), 1_200_000);
    for (number, (now, stands)) in (1..).zip([(0, true), (end - 1, true), (end, false), (end + 1, false)]) {
        let subject = LockoutSubject::Account(user_id(number));
        restrict(&*store, &subject);
        let until = stands.then_some(Restriction::Until(at(end)));
        assert_eq!(block_on(store.restriction(&subject, at(now))).unwrap(), until, "at {now} ms");
        for guessed in 0..if stands { 1 } else { 11 } {
            let charge = block_on(store.charge(&subject, guess(100 + guessed), PASSWORD, &RULE, at(now))).unwrap();
            assert_eq!(charge == Charge::Granted, !stands, "at {now} ms: {charge:?}");
        }
        let lifted = LockoutSubject::Address(digest("address", number));
        restrict(&*store, &lifted);
        assert_eq!(block_on(store.lift(&lifted, Forgiven::All, at(now))).unwrap(), stands, "lifted at {now} ms");
    }
}

/// Promise 1: ten failures count for a day after the last, not a millisecond longer.
pub fn an_unfinished_count_is_forgotten_at_its_exact_millisecond(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let (store, end) = (open(), 86_400_000);
    for (number, (now, counts)) in (1..).zip([(end - 1, true), (end, false), (end + 1, false)]) {
        let subject = LockoutSubject::Account(user_id(number));
        (0..10).for_each(|guessed| fail(&*store, &subject, guessed, at(0)));
        fail(&*store, &subject, 50, at(now));
        let restricted = block_on(store.restriction(&subject, at(now))).unwrap().is_some();
        assert_eq!(restricted, counts, "the eleventh at {now} ms");
    }
}

/// Promise 1: one of those who lift a restriction at once learns that it stood.
pub fn a_restriction_is_lifted_by_one_of_100(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let subject = LockoutSubject::Account(user_id(1));
    restrict(&*open(), &subject);
    let lifted = race(open, 100, |store, _| block_on(store.lift(&subject, Forgiven::All, at(1))).unwrap());
    assert_eq!(lifted.iter().filter(|stood| **stood).count(), 1);
    assert_eq!(block_on(open().restriction(&subject, at(1))).unwrap(), None);
}

/// Promise 1: what is forgiven by a reset isn't what an administrator forgives, in flight and in every kind.
pub fn a_reset_forgives_passwords_and_leaves_codes_counted(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let store = open();
    for (number, (codes, forgiven, left)) in (1..).zip([
        (0, Forgiven::Passwords, 11),
        (3, Forgiven::Passwords, 8),
        (11, Forgiven::Passwords, 1),
        (3, Forgiven::All, 11),
    ]) {
        let subject = LockoutSubject::Account(user_id(number));
        for guessed in 0..11 {
            let kind = if guessed < codes { GuessKind::Code } else { PASSWORD };
            assert_eq!(block_on(store.charge(&subject, guess(guessed), kind, &RULE, at(0))).unwrap(), Charge::Granted);
            block_on(store.settle(&subject, guess(guessed), Verdict::Failed, &RULE, at(0))).unwrap();
        }
        assert!(block_on(store.lift(&subject, forgiven, at(1))).unwrap());
        let charges = (100..120).map(|n| block_on(store.charge(&subject, guess(n), PASSWORD, &RULE, at(2))).unwrap());
        let granted = charges.filter(|charge| *charge == Charge::Granted).count();
        assert_eq!(granted, left, "{codes} codes, {forgiven:?}");
    }
}

/// Promise 1: with escalation a hundred are evaluated, however many arrive at once and however long somebody waits.
pub fn of_wrong_guesses_at_once_between_restrictions_exactly_100_are_granted(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let subject = LockoutSubject::Account(user_id(1));
    let (mut now, mut granted_in_all, mut rounds) = (at(0), 0, Vec::new());
    let closed = loop {
        let kind = |caller: usize| if caller.is_multiple_of(2) { PASSWORD } else { GuessKind::Code };
        let base = 1_000 * rounds.len();
        let charges = race(open, 40, |store, caller| {
            block_on(store.charge(&subject, guess(base + caller), kind(caller), &DOUBLING, now)).unwrap()
        });
        let granted: Vec<usize> = (0..40).filter(|caller| charges[*caller] == Charge::Granted).collect();
        let settled = race(open, granted.len(), |store, caller| {
            let guess = guess(base + granted[caller]);
            block_on(store.settle(&subject, guess, Verdict::Failed, &DOUBLING, now)).unwrap()
        });
        granted_in_all += granted.len();
        let restrictions: Vec<_> = settled.iter().filter_map(|settled| settled.restriction).collect();
        match restrictions.as_slice() {
            [Restriction::Until(until)] => {
                rounds.push((now.until(*until).as_secs() / 60, granted.len()));
                now = *until;
            }
            [Restriction::Closed] => break now,
            other => panic!("round {}: {other:?}", rounds.len()),
        }
    };
    let minutes = [20, 40, 80, 160, 320, 640, 1_280, 1_440, 1_440];
    assert_eq!(rounds, minutes.map(|minutes| (minutes, 11)));
    assert_eq!(granted_in_all, 100);
    let later = closed.after(Duration::from_secs(1_000 * 86_400));
    let refused = block_on(open().charge(&subject, guess(90_000), PASSWORD, &DOUBLING, later)).unwrap();
    assert!(matches!(refused, Charge::Restricted { restriction: Restriction::Closed, .. }), "{refused:?}");
}

/// Promise 2 and 3: no time opens what is closed, and no sweep takes it.
pub fn a_closed_count_survives_a_restart_and_every_sweep(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let closing = LockoutRule { max_failures: 200, ..DOUBLING };
    let subjects = [
        LockoutSubject::Account(user_id(1)),
        LockoutSubject::KnownBrowser(user_id(1), digest("browser", 1)),
        LockoutSubject::Unknown(digest("name", 1)),
    ];
    for subject in subjects {
        let store = open();
        for number in 0..100 {
            assert_eq!(
                block_on(store.charge(&subject, guess(number), PASSWORD, &closing, at(0))).unwrap(),
                Charge::Granted
            );
            block_on(store.settle(&subject, guess(number), Verdict::Failed, &closing, at(0))).unwrap();
        }
    }
    let store = open();
    let far = at(0).after(Duration::from_secs(10_000 * 86_400));
    block_on(store.sweep(far, 1_000)).unwrap();
    for subject in subjects {
        assert_eq!(block_on(store.restriction(&subject, far)).unwrap(), Some(Restriction::Closed), "{subject:?}");
        assert!(block_on(store.lift(&subject, Forgiven::Passwords, far)).unwrap());
        assert_eq!(block_on(store.restriction(&subject, far)).unwrap(), None);
        assert_eq!(block_on(store.charge(&subject, guess(200), PASSWORD, &closing, far)).unwrap(), Charge::Granted);
    }
}

/// Promise 1: a counter is of one subject of one kind, though another kind has the same bytes.
pub fn subjects_are_counted_apart(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let store = open();
    let same_bytes = Digest::of(user_id(1).as_bytes());
    let subjects = [
        LockoutSubject::Account(user_id(1)),
        LockoutSubject::Unknown(same_bytes),
        LockoutSubject::AccessKey(same_bytes),
        LockoutSubject::Address(same_bytes),
        LockoutSubject::Account(user_id(2)),
        LockoutSubject::KnownBrowser(user_id(1), same_bytes),
        LockoutSubject::KnownBrowser(user_id(2), same_bytes),
        LockoutSubject::KnownBrowser(user_id(1), digest("browser", 1)),
    ];
    assert!(subjects[1..4].iter().all(|subject| subject.key().1 == subjects[0].key().1));
    for (position, subject) in subjects.iter().enumerate() {
        restrict(&*store, subject);
        let restricted = subjects.map(|other| block_on(store.restriction(&other, at(1))).unwrap().is_some());
        assert_eq!(restricted.map(usize::from).iter().sum::<usize>(), position + 1, "{subject:?}: {restricted:?}");
    }
    let key = RateKey(same_bytes);
    assert_eq!(block_on(store.admit(&key, &RateLimit::per_hour(1), at(1))).unwrap(), Admission::Admitted);
}

/// Promise 2: what was charged stays charged, counts a minute later, and what is restricted stays restricted.
pub fn a_charge_and_a_restriction_survive_a_restart(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let (charged, restricted) = (LockoutSubject::Account(user_id(1)), LockoutSubject::Unknown(digest("name", 1)));
    let store = open();
    for number in 0..11 {
        assert_eq!(block_on(store.charge(&charged, guess(number), PASSWORD, &RULE, at(0))).unwrap(), Charge::Granted);
    }
    restrict(&*store, &restricted);
    drop(store);
    let store = open();
    let until = block_on(store.restriction(&restricted, at(1))).unwrap();
    assert_eq!(until, Some(Restriction::Until(at(0).after(RULE.duration))));
    assert_eq!(block_on(store.charge(&charged, guess(20), PASSWORD, &RULE, at(59_999))).unwrap(), Charge::Undecided);
    let lapsed = block_on(store.charge(&charged, guess(21), PASSWORD, &RULE, at(60_000))).unwrap();
    let until = Restriction::Until(at(0).after(Lockout::SETTLE_WITHIN).after(RULE.duration));
    assert!(matches!(lapsed, Charge::Restricted { restriction, .. } if restriction == until), "{lapsed:?}");
}

/// Promise 2: what was admitted stays counted.
pub fn an_admission_survives_a_restart(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let (key, limit) = (RateKey(digest("rate", 1)), RateLimit::per_hour(2));
    for now in [0, 1_000] {
        assert_eq!(block_on(open().admit(&key, &limit, at(now))).unwrap(), Admission::Admitted);
    }
    let refused = Admission::Refused { retry_after: Duration::from_secs(3_598) };
    assert_eq!(block_on(open().admit(&key, &limit, at(2_000))).unwrap(), refused);
}

/// Promise 3: counters and rates go when their time is over, at most so many at once, and none before.
pub fn a_sweep_takes_slices_and_only_what_is_over(open: &dyn Fn() -> Arc<dyn LockoutStore>) {
    let store = open();
    for number in 1..=3 {
        restrict(&*store, &LockoutSubject::Address(digest("address", number)));
        block_on(store.admit(&RateKey(digest("rate", number)), &RateLimit::per_hour(1), at(0))).unwrap();
    }
    let kept = LockoutSubject::Account(user_id(1));
    let far = at(0).after(Duration::from_secs(30 * 86_400));
    restrict_at(&*store, &kept, far);
    assert_eq!(block_on(store.sweep(at(1_000), 10)).unwrap(), 0);
    assert!(block_on(store.restriction(&LockoutSubject::Address(digest("address", 1)), at(1_000))).unwrap().is_some());
    let slices = [4; 3].map(|limit| block_on(store.sweep(far, limit)).unwrap());
    assert_eq!(slices, [4, 2, 0]);
    assert!(block_on(store.restriction(&kept, far)).unwrap().is_some());
}

/// The rule of an account under the policy's defaults.
pub(super) const RULE: LockoutRule = LockoutRule {
    max_failures: 10,
    duration: Duration::from_secs(1_200),
    forget: Forget::AfterLast(Duration::from_secs(86_400)),
    escalation: Escalation::Off,
};

/// A small rule whose window is longer than its restriction.
const WINDOW: LockoutRule = LockoutRule {
    max_failures: 2,
    duration: Duration::from_secs(100),
    forget: Forget::AfterFirst(Duration::from_secs(600)),
    escalation: Escalation::Off,
};

/// The rule of an account with escalation.
const DOUBLING: LockoutRule = LockoutRule { escalation: Escalation::Doubling, ..RULE };

pub(super) const PASSWORD: GuessKind = GuessKind::Password;

pub(super) fn guess(number: usize) -> GuessId {
    GuessId(number as u128)
}

/// Guesses wrong until the subject is restricted, at the start of time.
pub(super) fn restrict(store: &dyn LockoutStore, subject: &LockoutSubject) {
    restrict_at(store, subject, at(0));
}

fn restrict_at(store: &dyn LockoutStore, subject: &LockoutSubject, now: Timestamp) {
    for number in 0..11 {
        fail(store, subject, number, now);
    }
    assert_eq!(block_on(store.restriction(subject, now)).unwrap(), Some(Restriction::Until(now.after(RULE.duration))));
}

pub(super) fn fail(store: &dyn LockoutStore, subject: &LockoutSubject, number: usize, now: Timestamp) {
    assert_eq!(
        block_on(store.charge(subject, guess(number), PASSWORD, &RULE, now)).unwrap(),
        Charge::Granted,
        "{subject:?}"
    );
    block_on(store.settle(subject, guess(number), Verdict::Failed, &RULE, now)).unwrap();
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sweeps {
    Never,
    Often,
}

/// One random history, told to the store and to the pure lockouts alike.
struct History {
    seed: u64,
    dice: Dice,
    handles: [Arc<dyn LockoutStore>; 2],
    subjects: [(LockoutSubject, LockoutRule); 5],
    model: BTreeMap<LockoutSubject, Lockout>,
    in_flight: Vec<(LockoutSubject, GuessId)>,
    next_guess: usize,
    now: Timestamp,
    /// When something that began lately ends.
    ends: VecDeque<Timestamp>,
}

impl History {
    fn new(seed: u64, open: &dyn Fn() -> Arc<dyn LockoutStore>) -> Self {
        let number = u32::try_from(seed).unwrap();
        Self {
            seed,
            dice: Dice::new(seed),
            handles: [open(), open()],
            subjects: [
                (LockoutSubject::Account(user_id(number)), RULE),
                (LockoutSubject::Address(digest("address", number)), WINDOW),
                (LockoutSubject::Unknown(digest("name", number)), LockoutRule { max_failures: 0, ..RULE }),
                (
                    LockoutSubject::KnownBrowser(user_id(number), digest("browser", number)),
                    LockoutRule { max_failures: 2, ..DOUBLING },
                ),
                (LockoutSubject::Account(user_id(1_000 + number)), LockoutRule { max_failures: 150, ..DOUBLING }),
            ],
            model: BTreeMap::new(),
            in_flight: Vec::new(),
            next_guess: 0,
            now: at(0),
            ends: VecDeque::new(),
        }
    }

    fn run(mut self, steps: usize, sweeps: Sweeps) {
        for step in 0..steps {
            let before = self.now;
            self.now = self.next_moment();
            let (expected, answer) = self.step();
            assert_eq!(answer, expected, "seed {}, step {step}, {before} then {}", self.seed, self.now);
            if sweeps == Sweeps::Often && self.dice.below(3) == 0 {
                block_on(self.handles[0].sweep(self.now, 100)).unwrap();
            }
        }
    }

    /// Mostly now; else a while later, or a millisecond before, at or after something ends.
    fn next_moment(&mut self) -> Timestamp {
        let millis = self.now.as_millis();
        let end = match self.dice.below(12) {
            0..=7 => millis,
            8 => millis + self.dice.pick(&[1, 999, 30_000]),
            9 => millis + self.dice.pick(&[100_000, 1_200_000, 86_400_000]),
            _ => {
                let ends: Vec<i64> = self.ends.iter().map(|end| end.as_millis()).collect();
                self.dice.pick(&[&ends[..], &[millis]].concat()) + self.dice.pick(&[-1, 0, 0, 1])
            }
        };
        Timestamp::from_millis(end.max(millis))
    }

    /// Remembers when what begins now under `rule` will end.
    fn note_ends(&mut self, rule: &LockoutRule) {
        let (Forget::AfterLast(kept) | Forget::AfterFirst(kept)) = rule.forget;
        let lengths = [Lockout::SETTLE_WITHIN, rule.duration, rule.duration * 2, Lockout::LONGEST, kept];
        self.ends.extend(lengths.map(|length| self.now.after(length)));
        while self.ends.len() > 15 {
            self.ends.pop_front();
        }
    }

    /// Takes one step in both worlds; returns the two answers as texts.
    fn step(&mut self) -> (String, String) {
        let (subject, rule) = self.dice.pick(&self.subjects);
        let store = self.handles[usize::try_from(self.dice.below(2)).unwrap()].clone();
        let now = self.now;
        match self.dice.below(20) {
            0..=9 => self.charge(&*store, subject, &rule),
            10..=16 => self.settle(&*store),
            17..=18 => {
                let expected = self.model.entry(subject).or_default().restriction(now);
                let answer = block_on(store.restriction(&subject, now)).unwrap();
                (format!("restricted until {expected:?}"), format!("restricted until {answer:?}"))
            }
            _ => {
                let forgiven = self.dice.pick(&[Forgiven::Passwords, Forgiven::All]);
                let expected = self.model.entry(subject).or_default().lift(forgiven, now);
                let answer = block_on(store.lift(&subject, forgiven, now)).unwrap();
                (format!("lifted {forgiven:?} {expected}"), format!("lifted {forgiven:?} {answer}"))
            }
        }
    }

    fn charge(&mut self, store: &dyn LockoutStore, subject: LockoutSubject, rule: &LockoutRule) -> (String, String) {
        let guess = guess(self.next_guess);
        self.next_guess += 1;
        let kind = self.dice.pick(&[PASSWORD, GuessKind::Code]);
        let expected = self.model.entry(subject).or_default().charge(guess, kind, rule, self.now);
        if expected == Charge::Granted {
            self.in_flight.push((subject, guess));
            self.note_ends(rule);
        }
        let answer = block_on(store.charge(&subject, guess, kind, rule, self.now)).unwrap();
        (format!("{subject:?} charged: {expected:?}"), format!("{subject:?} charged: {answer:?}"))
    }

    /// Settles one in flight, which stays in the list now and then, and so is settled again or too late.
    fn settle(&mut self, store: &dyn LockoutStore) -> (String, String) {
        let Some(place) = (self.in_flight.len() as u64).checked_sub(1).map(|last| self.dice.below(last + 1)) else {
            return Default::default();
        };
        let place = usize::try_from(place).unwrap();
        let (subject, guess) = self.in_flight[place];
        if self.dice.below(5) > 0 {
            self.in_flight.swap_remove(place);
        }
        let verdicts = [
            Verdict::Failed,
            Verdict::Failed,
            Verdict::Failed,
            Verdict::Failed,
            Verdict::Withdrawn,
            Verdict::Completed,
        ];
        let verdict = self.dice.pick(&verdicts);
        let rule = self.subjects.iter().find(|(known, _)| *known == subject).unwrap().1;
        let expected = self.model.entry(subject).or_default().settle(guess, verdict, &rule, self.now);
        self.note_ends(&rule);
        let answer = block_on(store.settle(&subject, guess, verdict, &rule, self.now)).unwrap();
        (format!("{subject:?} {verdict:?}: {expected:?}"), format!("{subject:?} {verdict:?}: {answer:?}"))
    }
}
