//! Row S3, and IN1 of what an attacker tries: invitations from their making to the account that they make.

use doorwarden_core::administration::AdministrationRefusal;
use doorwarden_core::client::Client;
use doorwarden_core::error::Failure;
use doorwarden_core::invitation::{
    InvitationState, IssuedInvitation, ListedInvitation, NewInvitation, NewInvitationRefusal,
};
use doorwarden_core::policy::Policy;
use doorwarden_core::random::SystemRandom;
use doorwarden_core::sign_up::{Demand, PresentedInvitation, SignUpForm, SignUpOutcome};
use doorwarden_core::store::{Directory, UserKey};
use doorwarden_core::token::{InvitationToken, LinkToken};
use doorwarden_core::user::Role;
use futures_executor::block_on;

use crate::administration::{administrator, role, root};
use crate::faults::{Broken, at_every_call};
use crate::races::{Crowd, at_once};
use crate::world::{PASSWORD, World, form, links, refusal};

const DAY: u64 = 86_400;

fn required(policy: &mut Policy) {
    policy.sign_up.invitation = Demand::Required;
}

fn world() -> World {
    World::new(required)
}

fn invite(world: &World, form: NewInvitation) -> IssuedInvitation {
    block_on(world.engine.invite(form, &Client::default())).unwrap()
}

fn invited(email: &str, invitation: &IssuedInvitation) -> SignUpForm {
    SignUpForm { invitation: Some(PresentedInvitation::Token(invitation.token.clone())), ..form(email) }
}

fn code(world: &World, form: SignUpForm) -> &'static str {
    match world.sign_up_with(form) {
        Ok(SignUpOutcome::VerifyEmail) => "verify_email",
        Ok(SignUpOutcome::SignedUp(_)) => "signed_up",
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => refusal.code(),
    }
}

fn verify(world: &World, link: &LinkToken) -> bool {
    block_on(world.engine.verify_email(link, &Client::default())).is_ok()
}

fn only(world: &World) -> ListedInvitation {
    let mut listed = block_on(world.engine.invitations(None, 10)).unwrap().invitations;
    assert_eq!(listed.len(), 1);
    listed.remove(0)
}

/// Uses and held uses.
fn counts(world: &World) -> (u32, u32) {
    let listed = only(world);
    (listed.invitation.uses, listed.held)
}

#[test]
fn s3_a_pending_sign_up_holds_a_use_and_its_proof_makes_it_final() {
    let world = world();
    assert_eq!(code(&world, form("ada@example.org")), "invitation_required");
    let role = Some(Role::parse("team-lead").unwrap());
    let invitation = invite(&world, NewInvitation { role, ..NewInvitation::default() });
    assert_eq!((counts(&world), only(&world).state), ((0, 0), InvitationState::Open));
    assert_eq!(code(&world, invited("ada@example.org", &invitation)), "verify_email");
    assert_eq!((counts(&world), only(&world).state), ((0, 1), InvitationState::UsedUp));
    assert_eq!(code(&world, invited("bob@example.org", &invitation)), "invitation_invalid");
    assert!(verify(&world, &world.links()[0]));
    assert_eq!((counts(&world), only(&world).state), ((1, 0), InvitationState::UsedUp));
    let user = block_on(world.store.user(UserKey::Email("ada@example.org"))).unwrap().unwrap();
    assert_eq!(user.role.name(), "team-lead", "the role comes from the invitation");
    assert_eq!(code(&world, invited("bob@example.org", &invitation)), "invitation_invalid");
    let expected = [
        "invitation.created success",
        "user.signed_up success",
        "user.signed_up refusal invitation_invalid",
        "invitation.redeemed success",
        "user.verified success",
        "user.signed_up refusal invitation_invalid",
    ];
    assert_eq!(world.trail(), expected);
}

#[test]
fn in1_a_sign_up_that_lapses_is_declined_or_displaced_gives_its_use_back() {
    let lapses = |world: &World, _: &LinkToken| world.pass(DAY);
    let lapses_and_is_swept = |world: &World, _: &LinkToken| {
        world.pass(DAY + 1);
        block_on(world.engine.upkeep()).unwrap();
    };
    let is_declined = |world: &World, link: &LinkToken| {
        block_on(world.engine.decline_registration(link, &Client::default())).unwrap();
    };
    let is_displaced = |world: &World, _: &LinkToken| {
        world.pass(1);
        let other = invite(world, NewInvitation { max_uses: Some(8), ..NewInvitation::default() });
        (0..8).for_each(|_| assert_eq!(code(world, invited("ada@example.org", &other)), "verify_email"));
        block_on(world.engine.revoke_invitation(other.invitation.id, &Client::default())).unwrap();
    };
    let account_is_added = |world: &World, _: &LinkToken| drop(world.add("ada@example.org", None));
    type Way<'a> = &'a dyn Fn(&World, &LinkToken);
    let ways: [Way<'_>; 5] = [&lapses, &lapses_and_is_swept, &is_declined, &is_displaced, &account_is_added];
    for (way, gives_back) in ways.iter().enumerate() {
        let world = world();
        let invitation = invite(&world, NewInvitation::default());
        assert_eq!(code(&world, invited("ada@example.org", &invitation)), "verify_email");
        assert_eq!(code(&world, invited("bob@example.org", &invitation)), "invitation_invalid", "way {way}");
        let link = world.links().remove(0);
        gives_back(&world, &link);
        assert_eq!(code(&world, invited("bob@example.org", &invitation)), "verify_email", "way {way}");
        assert!(!verify(&world, &link), "way {way}: what gave its use back makes no account");
    }
}

#[test]
fn in1_unknown_revoked_expired_foreign_and_used_up_ones_answer_alike() {
    let world = world();
    let client = Client::default();
    let [revoked, expired, used_up] = [0, 1, 2].map(|_| invite(&world, NewInvitation::default()));
    block_on(world.engine.revoke_invitation(revoked.invitation.id, &client)).unwrap();
    assert_eq!(code(&world, invited("eve@example.org", &used_up)), "verify_email");
    let email = Some("bob@example.org".to_owned());
    let for_bob = invite(&world, NewInvitation { email, ..NewInvitation::default() });
    let domain = Some("example.com".to_owned());
    let for_others = invite(&world, NewInvitation { domain, ..NewInvitation::default() });
    let presented = [&revoked, &used_up, &for_bob, &for_others].map(|i| invited("ada@example.org", i));
    let unknown = InvitationToken::generate([0; 16], &SystemRandom).unwrap();
    let unknown = SignUpForm { invitation: Some(PresentedInvitation::Token(unknown)), ..form("ada@example.org") };
    let malformed = SignUpForm { invitation: PresentedInvitation::read("dwi_nothing"), ..form("ada@example.org") };
    let before = world.engine.hash_evaluations();
    let refused: Vec<_> =
        presented.into_iter().chain([unknown, malformed]).map(|form| world.sign_up_with(form).unwrap_err()).collect();
    world.pass(7 * DAY);
    let refused: Vec<_> =
        refused.into_iter().chain([world.sign_up_with(invited("ada@example.org", &expired)).unwrap_err()]).collect();
    assert!(refused.iter().all(|refusal| refusal == &refused[0] && refusal.code() == "invitation_invalid"));
    assert_eq!(world.engine.hash_evaluations(), before, "and none costs a hash");
    let events = block_on(world.engine.audit(&Default::default(), 200)).unwrap();
    let why = events.iter().filter_map(|(_, event)| event.facts.get("why")?.as_str());
    let all = ["revoked", "used_up", "foreign", "foreign", "unknown", "unknown", "expired"];
    assert_eq!(why.collect::<Vec<_>>(), all, "the trail knows which");
}

#[test]
fn ex3_a_taken_address_holds_a_use_as_a_free_one_does_at_the_same_cost() {
    let sign_up = |taken: bool| {
        let world = world();
        if taken {
            world.add("ada@example.org", None);
        }
        let invitation = invite(&world, NewInvitation::default());
        let before = world.engine.hash_evaluations();
        let first = code(&world, invited("ada@example.org", &invitation));
        let evaluated = world.engine.hash_evaluations() - before;
        let second = code(&world, invited("bob@example.org", &invitation));
        world.pass(DAY);
        let later = code(&world, invited("bob@example.org", &invitation));
        (first, evaluated, second, later)
    };
    let expected = ("verify_email", 1, "invitation_invalid", "verify_email");
    assert_eq!((sign_up(false), sign_up(true)), (expected, expected));
}

#[test]
fn in1_revoking_stops_those_who_hold_a_use_too() {
    let world = world();
    let invitation = invite(&world, NewInvitation::default());
    assert_eq!(code(&world, invited("ada@example.org", &invitation)), "verify_email");
    let link = world.links().remove(0);
    let revoke = |id| block_on(world.engine.revoke_invitation(id, &Client::default())).unwrap();
    assert!(revoke(invitation.invitation.id).is_some_and(|revoked| revoked.revoked_at.is_some()));
    assert!(!verify(&world, &link));
    assert!(block_on(world.engine.show_registration(&link)).is_err());
    assert_eq!(only(&world).state, InvitationState::Revoked);
    revoke(invitation.invitation.id);
    let revocations = world.trail().iter().filter(|event| event.starts_with("invitation.revoked")).count();
    assert_eq!(revocations, 1, "twice is once");
    assert!(revoke(doorwarden_core::invitation::InvitationId::from_bytes([9; 16])).is_none());
}

#[test]
fn in1_a_bound_one_lets_only_its_address_in_and_its_role_is_from_it_alone() {
    let world = World::new(|policy| {
        required(policy);
        policy.sign_up.verify_email = false;
    });
    let domain = Some("Example.org".to_owned());
    let two = invite(&world, NewInvitation { domain, max_uses: Some(2), ..NewInvitation::default() });
    assert_eq!(code(&world, invited("ada@sub.example.org", &two)), "invitation_invalid");
    let Ok(SignUpOutcome::SignedUp(user)) = world.sign_up_with(invited("ada@example.org", &two)) else { panic!() };
    assert_eq!(user.role, Role::user());
    assert_eq!(code(&world, invited("ada@example.org", &two)), "email_taken");
    assert_eq!(counts(&world), (1, 0), "a sign-up that failed took nothing");
    assert_eq!(code(&world, invited("bob@example.org", &two)), "signed_up");
    assert_eq!(code(&world, invited("eve@example.org", &two)), "invitation_invalid");
    assert_eq!(world.code("bob@example.org", PASSWORD), "logged_in");
}

#[test]
fn s5_a_closed_sign_up_opens_to_who_is_invited() {
    for demand in [Demand::Optional, Demand::Required] {
        let world = World::new(|policy| {
            policy.sign_up.open = false;
            policy.sign_up.invitation = demand;
        });
        let invitation = invite(&world, NewInvitation::default());
        assert_eq!(code(&world, form("ada@example.org")), "sign_up_closed");
        assert_eq!(code(&world, invited("ada@example.org", &invitation)), "verify_email");
        assert_eq!(code(&world, invited("bob@example.org", &invitation)), "invitation_invalid");
    }
}

#[test]
fn cf1_sign_up_invitation_decides_whether_one_is_asked_for() {
    let outcome = |demand, given: bool| {
        let world = World::new(|policy| policy.sign_up.invitation = demand);
        let invitation = invite(&world, NewInvitation::default());
        let form = if given { invited("ada@example.org", &invitation) } else { form("ada@example.org") };
        code(&world, form)
    };
    for (demand, given, expected) in [
        (Demand::Off, false, "verify_email"),
        (Demand::Off, true, "invalid_request"),
        (Demand::Optional, false, "verify_email"),
        (Demand::Optional, true, "verify_email"),
        (Demand::Required, false, "invitation_required"),
        (Demand::Required, true, "verify_email"),
    ] {
        assert_eq!(outcome(demand, given), expected, "{demand:?} {given}");
    }
}

#[test]
fn gu13_invitations_are_tried_so_often_an_hour_from_one_address() {
    let world = World::new(|policy| {
        required(policy);
        policy.per_address_hour = 3;
    });
    let guess = || SignUpForm { invitation: PresentedInvitation::read("dwi_guess"), ..form("ada@example.org") };
    let answers = [0; 4].map(|_| code(&world, guess()));
    assert_eq!(answers, ["invitation_invalid", "invitation_invalid", "invitation_invalid", "too_many_requests"]);
}

#[test]
fn f1_an_invitation_is_stored_as_a_digest_and_printed_by_nothing() {
    let world = world();
    let invitation = invite(&world, NewInvitation::default());
    let token = invitation.token.expose().to_string();
    assert_eq!(*invitation.link, format!("http://127.0.0.1:8080/sign-up?invitation={token}"));
    world.sign_up_with(invited("ada@example.org", &invitation)).unwrap();
    let told = [
        format!("{:?}", invited("ada@example.org", &invitation)),
        format!("{:?} {:?}", invitation.token, only(&world)),
        format!("{:?}", block_on(world.engine.audit(&Default::default(), 200)).unwrap()),
        serde_json::to_string(&only(&world).invitation).unwrap(),
    ];
    assert!(!told.concat().contains(&token[8..]), "{told:?}");
}

#[test]
fn in1_of_100_sign_ups_at_once_with_one_use_exactly_one_gets_it() {
    for verify_email in [true, false] {
        let crowd = Crowd::new(|policy| {
            required(policy);
            policy.sign_up.verify_email = verify_email;
            policy.per_address_hour = 0;
        });
        let invitation = block_on(crowd.engine.invite(NewInvitation::default(), &Client::default())).unwrap();
        let answers = at_once(100, |n| {
            let form = invited(&format!("a{n}@example.org"), &invitation);
            match block_on(crowd.engine.sign_up(form)) {
                Ok(_) => "in",
                Err(failure) => refusal(failure).code(),
            }
        });
        let got_in = answers.iter().filter(|answer| **answer == "in").count();
        let refused = answers.iter().filter(|answer| **answer == "invitation_invalid").count();
        assert_eq!((got_in, refused), (1, 99), "{answers:?}");
        let listed = block_on(crowd.engine.invitations(None, 10)).unwrap().invitations;
        assert_eq!(listed[0].invitation.uses + listed[0].held, 1);
        assert_eq!(listed[0].held, u32::from(verify_email));
    }
}

#[test]
fn in1_of_proofs_and_sign_ups_at_once_no_more_than_its_uses_become_accounts() {
    let crowd = Crowd::new(|policy| {
        required(policy);
        policy.per_address_hour = 0;
    });
    let form = NewInvitation { max_uses: Some(5), ..NewInvitation::default() };
    let invitation = block_on(crowd.engine.invite(form, &Client::default())).unwrap();
    for n in 0..3 {
        block_on(crowd.engine.sign_up(invited(&format!("first{n}@example.org"), &invitation))).unwrap();
    }
    let mailed: Vec<_> = crowd.mailer.mails().iter().map(|mail| links(&mail.text).remove(0)).collect();
    at_once(60, |n| match mailed.get(n % 20) {
        Some(link) => block_on(crowd.engine.verify_email(link, &Client::default())).is_ok(),
        None => block_on(crowd.engine.sign_up(invited(&format!("a{n}@example.org"), &invitation))).is_ok(),
    });
    let listed = block_on(crowd.engine.invitations(None, 10)).unwrap().invitations;
    assert_eq!((listed[0].invitation.uses, listed[0].held), (3, 2));
    assert_eq!(block_on(crowd.engine.users("", None, 100)).unwrap().users.len(), 3);
}

fn of_role(role: Role) -> NewInvitation {
    NewInvitation { role: Some(role), ..NewInvitation::default() }
}

#[test]
fn se8_kp4_an_invitation_that_makes_administrators_asks_for_a_fresh_proof() {
    let world = world();
    let root = root(&world.engine);
    let wanted = NewInvitationRefusal::Administration(AdministrationRefusal::ProofRequired);
    world.pass(15 * 60);
    let refused = block_on(world.engine.invite(of_role(Role::admin()), &root)).map(drop).map_err(refusal);
    assert_eq!(refused, Err(wanted));
    assert_eq!(world.trail().pop().unwrap(), "invitation.created refusal proof_required");
    assert!(block_on(world.engine.invitations(None, 10)).unwrap().invitations.is_empty());
    // Neither whoever runs the machine nor an invitation of any other role does.
    invite(&world, of_role(Role::admin()));
    block_on(world.engine.invite(NewInvitation::default(), &root)).unwrap();
    let made = block_on(world.engine.invite(of_role(Role::parse("team-lead").unwrap()), &root)).unwrap();
    let ended = block_on(world.engine.revoke_invitation(made.invitation.id, &root)).unwrap();
    assert!(ended.is_some_and(|ended| ended.created_by == root.user() && ended.revoked_at.is_some()));
}

#[test]
fn ad1_who_is_no_administrator_any_more_neither_invites_nor_revokes() {
    let world = world();
    let root = root(&world.engine);
    let made = block_on(world.engine.invite(of_role(Role::admin()), &root)).unwrap();
    administrator(&world.engine, "second@example.org");
    let id = root.user().unwrap();
    block_on(world.engine.change_user(id, &role(Role::user()), &Client::default())).unwrap();
    let wanted = AdministrationRefusal::NotAdministrator;
    let invited = block_on(world.engine.invite(NewInvitation::default(), &root)).map(drop).map_err(refusal);
    assert_eq!(invited, Err(NewInvitationRefusal::Administration(wanted)));
    assert_eq!(world.trail().pop().unwrap(), "invitation.created refusal forbidden");
    let revoked = block_on(world.engine.revoke_invitation(made.invitation.id, &root)).map_err(refusal);
    assert_eq!(revoked, Err(wanted));
    assert_eq!(world.trail().pop().unwrap(), "invitation.revoked refusal forbidden");
    assert_eq!(only(&world).state, InvitationState::Open);
}

#[test]
fn ad1_of_an_invitation_and_its_makers_demotion_at_once_the_commit_has_the_last_word() {
    for demoted_at in 1..3 {
        let broken = crate::faults::world();
        let root = root(&broken.engine);
        administrator(&broken.engine, "second@example.org");
        let id = root.user().unwrap();
        let mut user = broken.user("root@example.org").unwrap();
        assert_eq!(user.id, id);
        user.role = Role::user();
        let change = doorwarden_core::store::Change::User(doorwarden_core::store::Write::Update(user));
        let store = broken.store.clone();
        broken.faulty.before_call(demoted_at, move || block_on(store.commit(&[change])).unwrap());
        let invited = block_on(broken.engine.invite(NewInvitation::default(), &root)).map(drop).map_err(refusal);
        let wanted = AdministrationRefusal::NotAdministrator;
        assert_eq!(invited, Err(NewInvitationRefusal::Administration(wanted)), "before call {demoted_at}");
    }
}

fn broken_invitation(broken: &Broken) -> IssuedInvitation {
    let mut policy = (*broken.engine.policy()).clone();
    required(&mut policy);
    block_on(broken.engine.set_policy(policy)).unwrap();
    block_on(broken.engine.invite(NewInvitation::default(), &Client::default())).unwrap()
}

fn settled(broken: &Broken) -> ListedInvitation {
    block_on(broken.engine.invitations(None, 10)).unwrap().invitations.remove(0)
}

#[test]
fn fa1_in1_a_use_is_held_with_the_registration_or_not_at_all() {
    at_every_call(
        broken_invitation,
        |broken, invitation| match block_on(broken.engine.sign_up(invited("ada@example.org", invitation))) {
            Ok(_) => true,
            Err(Failure::Fault(_)) => false,
            Err(Failure::Refused(refusal)) => panic!("{refusal}"),
        },
        |broken, _, acknowledged, at| {
            let pending = block_on(broken.store.registrations_of("ada@example.org", 10)).unwrap().len();
            assert_eq!(usize::try_from(settled(broken).held).unwrap(), pending, "{at}");
            assert!(!acknowledged || pending == 1, "{at}");
        },
    );
}

#[test]
fn fa1_in1_a_proof_makes_the_use_final_with_the_account_or_not_at_all() {
    at_every_call(
        |broken| {
            let invitation = broken_invitation(broken);
            block_on(broken.engine.sign_up(invited("ada@example.org", &invitation))).unwrap();
            links(&broken.mailer.mails()[0].text).remove(0)
        },
        |broken, link| block_on(broken.engine.verify_email(link, &Client::default())).is_ok(),
        |broken, link, acknowledged, at| {
            let exists = block_on(broken.engine.find_user("ada@example.org")).unwrap().is_some();
            let listed = settled(broken);
            assert_eq!((listed.invitation.uses, listed.held), if exists { (1, 0) } else { (0, 1) }, "{at}");
            assert!(!acknowledged || exists, "{at}");
            let again = block_on(broken.engine.verify_email(link, &Client::default())).is_ok();
            assert!(exists || again, "{at}");
        },
    );
}
