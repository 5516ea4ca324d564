//! SE5, SE12: no order of calls gets round a step. Random walks of two users with two logins each, the policy changed in
//! the middle, against a small model of what must be asked.

use std::collections::BTreeSet;
use std::time::Duration;

use doorwarden_core::Timestamp;
use doorwarden_core::client::Client;
use doorwarden_core::error::Failure;
use doorwarden_core::login::{LoginRefusal, LoginStep, TakeOver};
use doorwarden_core::session::SessionId;
use doorwarden_core::sign_up::{AcceptedVersions, DocumentPolicy};
use doorwarden_core::token::TicketToken;
use doorwarden_core::totp::{TotpMode, TypedCode};
use doorwarden_core::user::UserId;
use futures_executor::block_on;
use proptest::prelude::*;

use crate::totp::Authenticator;
use crate::world::{PASSWORD, World, policy};

const EMAILS: [&str; 2] = ["ada@example.org", "bob@example.org"];
const TICKET: Duration = Duration::from_secs(300);

/// A place where a ticket can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Otp,
    WrongOtp,
    Setup,
    Password,
    Terms,
    TakeOver,
}

#[derive(Debug, Clone)]
enum Event {
    Begin { user: usize, slot: usize },
    Show { user: usize, slot: usize, door: Door },
    Require(bool),
    NewTerms,
    ResetTotp { user: usize },
    DemandPassword { user: usize },
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let door = prop_oneof![
        3 => Just(Door::Otp), 1 => Just(Door::WrongOtp), 3 => Just(Door::Setup), 3 => Just(Door::Password), 3 => Just(Door::Terms), 3 => Just(Door::TakeOver),
    ];
    prop_oneof![
        4 => (0..2_usize, 0..2_usize).prop_map(|(user, slot)| Event::Begin { user, slot }),
        12 => (0..2_usize, 0..2_usize, door).prop_map(|(user, slot, door)| Event::Show { user, slot, door }),
        1 => any::<bool>().prop_map(Event::Require),
        1 => Just(Event::NewTerms),
        1 => (0..2_usize).prop_map(|user| Event::ResetTotp { user }),
        1 => (0..2_usize).prop_map(|user| Event::DemandPassword { user }),
        1 => prop_oneof![Just(1), Just(269), Just(270), Just(300)].prop_map(Event::Pass),
    ]
}

/// What the model knows of an account.
#[derive(Debug, Default)]
struct Account {
    /// Counts the set-ups; a proof is one of a certain set-up.
    set_up: Option<u32>,
    terms: u32,
    /// Counts the passwords; a login proves a certain one.
    password: u32,
    demanded: bool,
    live: BTreeSet<SessionId>,
}

impl Account {
    fn secret(&self) -> String {
        if self.password == 0 { PASSWORD.to_owned() } else { format!("another horse {}?", self.password) }
    }
}

/// What the model knows of a login under way.
#[derive(Debug, Clone)]
struct Login {
    expects: Door,
    expires_at: Timestamp,
    proved: Option<u32>,
    password: u32,
    listed: BTreeSet<SessionId>,
}

/// A login as its client sees it.
struct Held {
    ticket: TicketToken,
    secret: Option<Authenticator>,
    model: Login,
}

struct Walk {
    world: World,
    users: [UserId; 2],
    accounts: [Account; 2],
    authenticators: [Option<Authenticator>; 2],
    held: [[Option<Held>; 2]; 2],
    required: bool,
    terms: u32,
    set_ups: u32,
}

impl Walk {
    fn new() -> Self {
        let world = World::new(|policy| policy.lockout.max_failures = 1_000_000);
        let users = EMAILS.map(|email| world.add(email, None).id);
        Self {
            world,
            users,
            accounts: Default::default(),
            authenticators: Default::default(),
            held: Default::default(),
            required: false,
            terms: 0,
            set_ups: 0,
        }
    }

    fn set_policy(&self) {
        let mut policy = policy();
        policy.lockout.max_failures = 1_000_000;
        policy.totp.mode = if self.required { TotpMode::Required } else { TotpMode::Optional };
        if self.terms > 0 {
            policy.sign_up.terms = DocumentPolicy { version: self.terms.to_string(), url: "https://x/".to_owned() };
        }
        block_on(self.world.engine.set_policy(policy)).unwrap();
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Begin { user, slot } => {
                let step = self.world.login(EMAILS[user], &self.accounts[user].secret()).unwrap();
                self.follow(user, slot, None, &BTreeSet::new(), step);
            }
            Event::Show { user, slot, door } => self.show(user, slot, door),
            Event::Require(required) => {
                self.required = required;
                self.set_policy();
            }
            Event::NewTerms => {
                self.terms += 1;
                self.set_policy();
            }
            Event::ResetTotp { user } => {
                let had = block_on(self.world.engine.reset_totp(self.users[user], &Client::default())).unwrap();
                assert_eq!(had, self.accounts[user].set_up.is_some());
                if had {
                    self.accounts[user].set_up = None;
                    self.accounts[user].live.clear();
                }
            }
            Event::DemandPassword { user } => {
                block_on(self.world.engine.demand_password_change(self.users[user], &Client::default())).unwrap();
                self.accounts[user].demanded = true;
            }
            Event::Pass(seconds) => self.world.pass(seconds),
        }
    }

    fn show(&mut self, user: usize, slot: usize, door: Door) {
        let Some(held) = self.held[user][slot].take() else { return };
        if matches!(door, Door::Otp | Door::Setup) {
            self.world.pass(30);
        }
        let now = self.world.engine.now();
        let Held { ticket, secret, model } = &held;
        let right_door = model.expects == door || (model.expects, door) == (Door::Otp, Door::WrongOtp);
        let is_set_up = self.accounts[user].set_up.is_some();
        let fits = match door {
            Door::Otp | Door::WrongOtp => is_set_up,
            Door::Setup => !is_set_up,
            Door::Password | Door::Terms | Door::TakeOver => true,
        };
        // Another password voids the tickets that the former one proved.
        let fits = fits && model.password == self.accounts[user].password;
        let expected = match (now < model.expires_at && right_door && fits, door) {
            (false, Door::Terms) if self.terms == 0 || now >= model.expires_at || !right_door => Err("ticket_invalid"),
            (false, _) => Err("ticket_invalid"),
            (true, Door::WrongOtp) => Err("invalid_code"),
            (true, _) => Ok(()),
        };
        let (engine, client) = (&self.world.engine, Client::default());
        let own_code = |authenticator: Option<&Authenticator>| {
            TypedCode::new(authenticator.map_or("000000".to_owned(), |known| known.code(now)))
        };
        let answer = match door {
            Door::Otp => block_on(engine.enter_code(ticket, &own_code(self.authenticators[user].as_ref()), &client)),
            Door::WrongOtp => block_on(engine.enter_code(ticket, &self.foreign_code(user), &client)),
            Door::Setup => block_on(engine.enter_setup_code(ticket, &own_code(secret.as_ref()), &client))
                .and_then(|set_up| set_up.step),
            Door::Password => {
                let next = Account { password: self.accounts[user].password + 1, ..Account::default() };
                block_on(engine.change_due_password(ticket, next.secret().into(), &client))
            }
            Door::Terms => {
                let terms = (self.terms > 0).then(|| self.terms.to_string());
                block_on(engine.accept_terms(ticket, &AcceptedVersions { terms, privacy: None }, &client))
            }
            Door::TakeOver => block_on(engine.take_over(ticket, TakeOver::Proceed)),
        };
        match (expected, answer) {
            (Ok(()), Ok(step)) => {
                let mut proved = model.proved;
                match door {
                    Door::Otp | Door::WrongOtp => proved = self.accounts[user].set_up,
                    Door::Setup => {
                        self.set_ups += 1;
                        self.accounts[user].set_up = Some(self.set_ups);
                        self.authenticators[user].clone_from(secret);
                        proved = Some(self.set_ups);
                    }
                    Door::Password => {
                        let account = &mut self.accounts[user];
                        account.password += 1;
                        account.demanded = false;
                        account.live.clear();
                    }
                    Door::Terms => self.accounts[user].terms = self.terms,
                    Door::TakeOver => {}
                }
                let agreed = if door == Door::TakeOver { model.listed.clone() } else { BTreeSet::new() };
                self.follow(user, slot, proved, &agreed, step);
            }
            (Err(code), Err(Failure::Refused(refusal))) => {
                assert_eq!(refusal.code(), code, "{door:?} {model:?}");
                self.held[user][slot] = Some(held);
            }
            (expected, answer) => panic!("{door:?} {model:?}: {expected:?}, but {answer:?}"),
        }
    }

    /// What the other user's authenticator shows, or no code at all.
    fn foreign_code(&self, user: usize) -> TypedCode {
        let other = self.authenticators[1 - user].as_ref();
        TypedCode::new(other.map_or("no code".to_owned(), |other| other.code(self.world.engine.now())))
    }

    /// Compares a step with the one that the model asks for, and keeps its ticket.
    fn follow(&mut self, user: usize, slot: usize, proved: Option<u32>, agreed: &BTreeSet<SessionId>, step: LoginStep) {
        let account = &self.accounts[user];
        let expects = match account.set_up {
            Some(set_up) if proved != Some(set_up) => Some(Door::Otp),
            None if self.required => Some(Door::Setup),
            _ if account.demanded => Some(Door::Password),
            _ if self.terms > account.terms => Some(Door::Terms),
            _ if !account.live.is_subset(agreed) => Some(Door::TakeOver),
            _ => None,
        };
        let password = account.password;
        let expires_at = self.world.engine.now().after(TICKET);
        let keep = |expects, ticket, secret, listed| {
            Some(Held { ticket, secret, model: Login { expects, expires_at, proved, password, listed } })
        };
        self.held[user][slot] = match (expects, step) {
            (Some(Door::Otp), LoginStep::OtpRequired { ticket }) => keep(Door::Otp, ticket, None, BTreeSet::new()),
            (Some(Door::Setup), LoginStep::TotpSetupRequired { ticket, setup }) => {
                keep(Door::Setup, ticket, Some(Authenticator::of(&setup)), BTreeSet::new())
            }
            (Some(Door::Password), LoginStep::PasswordChangeRequired { ticket }) => {
                keep(Door::Password, ticket, None, BTreeSet::new())
            }
            (Some(Door::Terms), LoginStep::TermsRequired { ticket, .. }) => {
                keep(Door::Terms, ticket, None, BTreeSet::new())
            }
            (Some(Door::TakeOver), LoginStep::SessionConflict { ticket, sessions }) => {
                let listed = sessions.iter().map(|session| session.id).collect();
                assert_eq!(listed, account.live);
                keep(Door::TakeOver, ticket, None, listed)
            }
            (None, LoginStep::LoggedIn(login)) => {
                assert_eq!(login.user.id, self.users[user]);
                self.accounts[user].live = BTreeSet::from([login.session.id]);
                None
            }
            (expects, step) => panic!("{expects:?} is expected, but {step:?}"),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn se5_se12_no_order_of_calls_gets_round_a_step(events in prop::collection::vec(event(), 1..60)) {
        let mut walk = Walk::new();
        for event in events {
            walk.take(event);
        }
        let refused = walk.world.login(EMAILS[0], "wrong").unwrap_err();
        prop_assert_eq!(refused, LoginRefusal::InvalidCredentials);
    }
}
