use super::*;
use proptest::prelude::*;

fn rule() -> LockoutRule {
    LockoutPolicy::default().account_rule()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000)
}

fn wrong(lockout: &mut Lockout, guess: u128, now: Timestamp) -> Charge {
    let charge = lockout.charge(GuessId(guess), GuessKind::Password, &rule(), now);
    if charge == Charge::Granted {
        lockout.settle(GuessId(guess), Verdict::Failed, &rule(), now);
    }
    charge
}

#[test]
fn the_eleventh_failure_restricts_for_20_minutes() {
    let mut lockout = Lockout::default();
    for guess in 0..11 {
        assert_eq!(wrong(&mut lockout, guess, at(0)), Charge::Granted, "guess {guess}");
    }
    for (second, restricted) in [(0, true), (1_199, true), (1_200, false), (1_201, false)] {
        assert_eq!(lockout.restriction(at(second)).is_some(), restricted, "second {second}");
    }
    assert!(matches!(wrong(&mut lockout, 99, at(1_199)), Charge::Restricted { .. }));
    for guess in 100..111 {
        assert_eq!(wrong(&mut lockout, guess, at(1_200)), Charge::Granted, "it starts at zero");
    }
    assert!(matches!(wrong(&mut lockout, 111, at(1_200)), Charge::Restricted { .. }));
}

#[test]
fn gu6_failures_while_restricted_do_not_move_the_end() {
    let mut lockout = Lockout::default();
    for guess in 0..11 {
        wrong(&mut lockout, guess, at(0));
    }
    for second in [1, 600, 1_199] {
        let Charge::Restricted { restriction: Restriction::Until(until), .. } = wrong(&mut lockout, 50, at(second))
        else {
            panic!("second {second}")
        };
        assert_eq!(until, at(1_200));
    }
}

#[test]
fn gu12_a_success_that_began_before_the_crossing_does_not_erase_the_restriction() {
    let mut lockout = Lockout::default();
    for guess in 0..10 {
        wrong(&mut lockout, guess, at(0));
    }
    assert_eq!(lockout.charge(GuessId(70), GuessKind::Password, &rule(), at(0)), Charge::Granted);
    assert_eq!(lockout.charge(GuessId(71), GuessKind::Password, &rule(), at(0)), Charge::Undecided);
    lockout.settle(GuessId(70), Verdict::Failed, &rule(), at(1));
    lockout.settle(GuessId(71), Verdict::Completed, &rule(), at(1));
    assert_eq!(lockout.restriction(at(1)), Some(Restriction::Until(at(1_201))));
}

#[test]
fn gu8_an_unsettled_charge_counts_after_a_minute_and_only_once() {
    let mut lockout = Lockout::default();
    for guess in 0..11 {
        assert_eq!(lockout.charge(GuessId(guess), GuessKind::Password, &rule(), at(0)), Charge::Granted);
    }
    assert_eq!(lockout.charge(GuessId(11), GuessKind::Password, &rule(), at(59)), Charge::Undecided);
    assert!(
        matches!(lockout.charge(GuessId(12), GuessKind::Password, &rule(), at(60)), Charge::Restricted { restriction: Restriction::Until(until), .. } if until == at(1_260))
    );
    lockout.settle(GuessId(0), Verdict::Failed, &rule(), at(61));
    assert_eq!(lockout.restriction(at(61)), Some(Restriction::Until(at(1_260))));
}

#[test]
fn a_withdrawn_guess_is_given_back_and_a_completed_one_clears() {
    let mut lockout = Lockout::default();
    for guess in 0..50 {
        assert_eq!(lockout.charge(GuessId(guess), GuessKind::Password, &rule(), at(0)), Charge::Granted);
        lockout.settle(GuessId(guess), Verdict::Withdrawn, &rule(), at(0));
    }
    for guess in 0..10 {
        wrong(&mut lockout, guess, at(0));
    }
    lockout.charge(GuessId(60), GuessKind::Password, &rule(), at(0));
    assert_eq!(lockout.settle(GuessId(60), Verdict::Completed, &rule(), at(0)).failures_before, 10);
    for guess in 0..11 {
        assert_eq!(wrong(&mut lockout, guess, at(1)), Charge::Granted);
    }
}

#[test]
fn an_unfinished_count_is_forgotten_after_its_time() {
    for (gap, evaluated) in [(86_399, 1), (86_400, 11), (86_401, 11)] {
        let mut lockout = Lockout::default();
        for guess in 0..10 {
            wrong(&mut lockout, guess, at(0));
        }
        let granted = (0..20).filter(|guess| wrong(&mut lockout, 100 + guess, at(gap)) == Charge::Granted).count();
        assert_eq!(granted, evaluated, "gap {gap}");
    }
}

#[test]
fn an_address_window_runs_from_its_first_failure() {
    let policy = AddressLockoutPolicy { max_failures: 1, ..AddressLockoutPolicy::default() };
    let rule = LockoutPolicy { per_address: policy, ..LockoutPolicy::default() }.address_rule().unwrap();
    let mut lockout = Lockout::default();
    let mut fail = |guess, second| {
        let charge = lockout.charge(GuessId(guess), GuessKind::Password, &rule, at(second));
        lockout.settle(GuessId(guess), Verdict::Failed, &rule, at(second));
        charge
    };
    assert_eq!(fail(1, 0), Charge::Granted);
    assert_eq!(fail(2, 600), Charge::Granted, "the window of the first failure is over");
    assert_eq!(fail(3, 1_199), Charge::Granted, "second failure of the new window");
    assert!(matches!(fail(4, 1_200), Charge::Restricted { .. }));
}

#[test]
fn refusals_are_reported_once_a_minute_with_their_number() {
    let mut lockout = Lockout::default();
    for guess in 0..11 {
        wrong(&mut lockout, guess, at(0));
    }
    let mut reports = vec![];
    for second in 1..=121 {
        if let Charge::Restricted { report: Some(count), .. } = wrong(&mut lockout, 99, at(second)) {
            reports.push((second, count));
        }
    }
    assert_eq!(reports, [(1, 1), (61, 60), (121, 60)]);
}

fn doubling() -> LockoutRule {
    LockoutPolicy { escalate: true, ..LockoutPolicy::default() }.account_rule()
}

/// Fails until nothing is granted any more; how many were evaluated, and what stands.
fn guess_on(lockout: &mut Lockout, kind: GuessKind, rule: &LockoutRule, now: Timestamp) -> (usize, Restriction) {
    for evaluated in 0.. {
        match lockout.charge(GuessId(0), kind, rule, now) {
            Charge::Granted => lockout.settle(GuessId(0), Verdict::Failed, rule, now),
            Charge::Restricted { restriction, .. } => return (evaluated, restriction),
            Charge::Undecided => panic!("nothing is in flight"),
        };
    }
    unreachable!()
}

#[test]
fn p2_a_reset_forgives_passwords_and_leaves_codes_counted() {
    use GuessKind::{Code, Password};
    for (codes, passwords, forgiven, left) in [
        (0, 11, Forgiven::Passwords, 11),
        (0, 5, Forgiven::Passwords, 11),
        (4, 7, Forgiven::Passwords, 7),
        (10, 0, Forgiven::Passwords, 1),
        (11, 0, Forgiven::Passwords, 1),
        (11, 0, Forgiven::All, 11),
        (4, 7, Forgiven::All, 11),
    ] {
        let mut lockout = Lockout::default();
        for (kind, count) in [(Code, codes), (Password, passwords)] {
            for _ in 0..count {
                assert_eq!(lockout.charge(GuessId(1), kind, &rule(), at(0)), Charge::Granted);
                lockout.settle(GuessId(1), Verdict::Failed, &rule(), at(0));
            }
        }
        let stood = lockout.lift(forgiven, at(1));
        assert_eq!(stood, codes + passwords > 10, "{codes} {passwords}");
        assert_eq!(lockout.restriction(at(1)), None);
        assert_eq!(guess_on(&mut lockout, Code, &rule(), at(1)).0, left, "{codes} {passwords} {forgiven:?}");
    }
}

#[test]
fn p2_after_a_reset_the_owner_gets_in_with_password_and_code_and_whoever_guesses_has_one_try() {
    let mut lockout = Lockout::default();
    guess_on(&mut lockout, GuessKind::Code, &rule(), at(0));
    for second in 1..=5 {
        lockout.lift(Forgiven::Passwords, at(second));
        assert_eq!(guess_on(&mut lockout, GuessKind::Code, &rule(), at(second)).0, 1, "a mail buys one code");
    }
    lockout.lift(Forgiven::Passwords, at(10));
    for (guess, kind, verdict) in
        [(1, GuessKind::Password, Verdict::Withdrawn), (2, GuessKind::Code, Verdict::Completed)]
    {
        assert_eq!(lockout.charge(GuessId(guess), kind, &rule(), at(10)), Charge::Granted);
        lockout.settle(GuessId(guess), verdict, &rule(), at(10));
    }
    assert_eq!(guess_on(&mut lockout, GuessKind::Code, &rule(), at(11)).0, 11, "a complete login clears both kinds");
}

#[test]
fn restrictions_double_to_24_hours_and_the_hundredth_failure_closes() {
    let mut lockout = Lockout::default();
    let (mut now, mut minutes, mut evaluated) = (at(0), vec![], 0);
    let closed = loop {
        let (count, restriction) = guess_on(&mut lockout, GuessKind::Password, &doubling(), now);
        evaluated += count;
        match restriction {
            Restriction::Until(until) => {
                minutes.push(now.until(until).as_secs() / 60);
                now = until;
            }
            Restriction::Closed => break now,
        }
    };
    assert_eq!((minutes, evaluated), (vec![20, 40, 80, 160, 320, 640, 1_280, 1_440, 1_440], 100));
    for days in [1, 400, 4_000] {
        assert_eq!(lockout.restriction(closed.after(Duration::from_secs(days * 86_400))), Some(Restriction::Closed));
    }
    lockout.settle(GuessId(7), Verdict::Completed, &doubling(), closed);
    assert_eq!(lockout.restriction(closed), Some(Restriction::Closed), "a login that was under way opens nothing");
    assert!(lockout.lift(Forgiven::Passwords, closed));
    assert_eq!(
        guess_on(&mut lockout, GuessKind::Password, &doubling(), closed),
        (11, Restriction::Until(closed.after(Duration::from_secs(1_200)))),
        "a reset opens, and the first restriction is the shortest again"
    );
}

#[test]
fn p2_what_wrong_codes_have_closed_a_reset_opens_for_one_more() {
    let rule = LockoutRule { max_failures: 200, ..doubling() };
    let mut lockout = Lockout::default();
    assert_eq!(guess_on(&mut lockout, GuessKind::Code, &rule, at(0)), (100, Restriction::Closed));
    for second in 1..4 {
        assert!(lockout.lift(Forgiven::Passwords, at(second)));
        assert_eq!(guess_on(&mut lockout, GuessKind::Code, &rule, at(second)), (1, Restriction::Closed));
    }
    assert!(lockout.lift(Forgiven::All, at(9)));
    assert_eq!(guess_on(&mut lockout, GuessKind::Code, &rule, at(9)).0, 100);
}

#[test]
fn waiting_between_guesses_is_no_way_round_the_hundred() {
    let mut lockout = Lockout::default();
    let mut now = at(0);
    let mut evaluated = 0;
    while let Charge::Granted = lockout.charge(GuessId(0), GuessKind::Password, &doubling(), now) {
        lockout.settle(GuessId(0), Verdict::Failed, &doubling(), now);
        evaluated += 1;
        now = now.after(Duration::from_secs(30 * 86_400));
    }
    assert_eq!(evaluated, 100, "a month is no success");
    let mut quiet = Lockout::default();
    quiet.charge(GuessId(0), GuessKind::Password, &doubling(), at(0));
    quiet.settle(GuessId(0), Verdict::Failed, &doubling(), at(0));
    assert_eq!(quiet.forgettable_at(&doubling()), at(0).after(Lockout::REMEMBERED));
}

#[test]
fn a_policy_that_no_longer_escalates_opens_what_was_closed_and_one_that_does_now_closes_at_the_next_look() {
    let mut lockout = Lockout::default();
    let many = LockoutRule { max_failures: 150, ..rule() };
    for _ in 0..120 {
        lockout.charge(GuessId(0), GuessKind::Password, &many, at(0));
        lockout.settle(GuessId(0), Verdict::Failed, &many, at(0));
    }
    let look = |lockout: &mut Lockout, rule: &LockoutRule| lockout.charge(GuessId(1), GuessKind::Password, rule, at(1));
    assert!(matches!(look(&mut lockout, &doubling()), Charge::Restricted { restriction: Restriction::Closed, .. }));
    assert_eq!(look(&mut lockout, &many), Charge::Granted);
    lockout.settle(GuessId(1), Verdict::Withdrawn, &many, at(1));
    assert_eq!(look(&mut lockout, &rule()), Charge::Granted, "forgiving less leaves one guess, which decides");
}

#[test]
fn a_count_stored_before_there_were_kinds_is_still_read() {
    let stored = r#"{"failures":3,"first_failure_at":1,"last_failure_at":2,"in_flight":[{"guess":7,"lapses_at":9}],
        "restricted_until":null,"refused":0,"reported_at":null}"#;
    let mut lockout: Lockout = serde_json::from_str(stored).unwrap();
    assert_eq!((lockout.failures, lockout.in_flight[0].kind), (3, GuessKind::Password));
    lockout.lift(Forgiven::Passwords, at(0));
    assert_eq!(lockout.failures, 0);
}

#[derive(Debug, Clone)]
enum Event {
    Charge,
    Settle(Verdict),
    Wait(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => Just(Event::Charge),
        3 => Just(Event::Settle(Verdict::Failed)),
        1 => Just(Event::Settle(Verdict::Withdrawn)),
        1 => Just(Event::Settle(Verdict::Completed)),
        1 => prop_oneof![0i64..3, 58i64..62, 1_198i64..1_203, 86_398i64..86_403].prop_map(Event::Wait),
    ];
    proptest::collection::vec(event, 1..120)
}

proptest! {
    #[test]
    fn gu1_no_more_than_eleven_are_ever_granted_unsettled_or_failed_in_a_row(events in events()) {
        let (mut lockout, mut second, mut next) = (Lockout::default(), 0, 0);
        let mut in_flight: Vec<u128> = vec![];
        for event in events {
            match event {
                Event::Charge => {
                    next += 1;
                    let restricted = lockout.restriction(at(second)).is_some();
                    let charge = lockout.charge(GuessId(next), GuessKind::Password, &rule(), at(second));
                    prop_assert!(!(restricted && charge == Charge::Granted));
                    if charge == Charge::Granted {
                        in_flight.push(next);
                    }
                }
                Event::Settle(verdict) => {
                    if let Some(guess) = in_flight.pop() {
                        lockout.settle(GuessId(guess), verdict, &rule(), at(second));
                    }
                }
                Event::Wait(seconds) => {
                    second += seconds;
                }
            }
            prop_assert!(lockout.in_flight.len() <= 11);
            let outstanding = lockout.failures as usize + lockout.in_flight.len();
            prop_assert!(lockout.restricted_until.is_some() || outstanding <= 11);
        }
    }

    #[test]
    fn no_more_than_a_hundred_are_ever_evaluated_in_a_row_without_a_success(
        max_failures in 0u32..130,
        gaps in proptest::collection::vec((prop_oneof![
            Just(0i64), 0i64..3, 58i64..62, 1_198i64..1_203, 86_398i64..86_403, Just(30 * 86_400),
        ], 1usize..14, any::<bool>()), 1..200),
    ) {
        let rule = LockoutRule { max_failures, ..doubling() };
        let mut lockout = Lockout::default();
        let (mut second, mut next, mut evaluated) = (0, 0, 0);
        let mut longest = Duration::ZERO;
        for (gap, at_once, settles) in gaps {
            second += gap;
            let mut granted = vec![];
            for _ in 0..at_once {
                next += 1;
                match lockout.charge(GuessId(next), GuessKind::Password, &rule, at(second)) {
                    Charge::Granted => granted.push(GuessId(next)),
                    Charge::Restricted { restriction: Restriction::Until(until), .. } => {
                        longest = longest.max(at(second).until(until));
                    }
                    Charge::Restricted { .. } | Charge::Undecided => {}
                }
            }
            evaluated += granted.len();
            // Those that aren't settled lapse as failures.
            for guess in granted.into_iter().filter(|_| settles) {
                lockout.settle(guess, Verdict::Failed, &rule, at(second));
            }
            prop_assert!(evaluated <= 100, "{evaluated}");
        }
        prop_assert!(longest <= Lockout::LONGEST);
    }
}
