//! What a [`Directory`](crate::store::Directory) promises.

mod chain;
mod commits;
mod invitations;
mod keypairs;
mod outbox;
mod reads;
mod requirements;
mod trail;
mod unique;

pub use chain::*;
pub use commits::*;
pub use invitations::*;
pub use keypairs::*;
pub use outbox::*;
pub use reads::*;
pub use requirements::*;
pub use trail::*;
pub use unique::*;

/// Makes a test of each property of a [`Directory`](crate::store::Directory); how to apply it:
/// [`conformance`](crate::testing::conformance).
#[macro_export]
macro_rules! directory_conformance {
    ($open:expr) => {
        $crate::conformance_suite! {
            directory, Directory, $open,
            // commits.rs
            what_was_committed_is_read_back_whole,
            hostile_text_is_read_back_as_it_was,
            a_commit_is_applied_whole_or_not_at_all,
            a_reader_never_sees_half_a_commit,
            of_200_updates_on_one_revision_exactly_one_commits,
            an_update_and_a_delete_on_one_revision_never_both_commit,
            no_update_is_lost_among_concurrent_writers,
            a_change_on_another_revision_is_stale,
            changes_are_applied_in_their_order,
            a_read_sees_every_commit_that_returned_before_it_began,
            a_registration_is_settled_once_by_200_callers,
            a_marker_is_set_once,
            a_marker_s_value_is_changed_by_one_of_200_who_saw_it,
            // unique.rs
            email_is_taken_by_one_of_200,
            email_is_taken_in_every_spelling,
            a_username_skeleton_is_unique_among_users_and_registrations,
            a_username_is_taken_by_one_of_200_users_and_registrations,
            a_lapsed_registration_frees_its_username_within_the_same_commit,
            what_is_deleted_or_changed_frees_its_email_and_username,
            an_address_may_have_several_registrations_and_none_holds_it,
            // reads.rs
            a_user_is_found_by_each_of_its_keys_and_by_nothing_else,
            a_registration_is_found_by_its_link_and_its_name,
            registrations_of_an_address_come_newest_first,
            users_are_paged_in_order_of_creation,
            registrations_are_paged_in_order_of_their_ids,
            users_are_searched_by_email_username_and_full_name,
            the_signs_of_a_pattern_are_searched_as_they_are,
            a_sweep_takes_slices_and_only_what_has_had_its_time,
            // invitations.rs
            an_invitation_is_found_by_its_id_and_its_token,
            invitations_are_paged_in_order_of_creation,
            held_uses_are_the_registrations_that_have_not_lapsed,
            a_use_is_held_by_one_of_200_sign_ups,
            a_sweep_gives_uses_back_and_forgets_invitations_that_ended,
            // trail.rs
            audit_is_read_in_the_order_of_commits,
            audit_is_followed_without_gaps_by_a_concurrent_reader,
            a_follower_misses_nothing_after_events_are_forgotten,
            audit_is_filtered_by_account_and_name,
            an_event_is_found_by_its_id_and_by_where_it_begins,
            an_account_s_events_are_read_newest_first,
            // requirements.rs
            of_two_administrators_who_demote_each_other_at_once_one_stays,
            a_commit_that_leaves_no_administrator_is_refused_whole,
            an_administrator_is_active_and_has_the_role_at_the_moment_of_the_commit,
            // chain.rs
            an_event_gets_one_link_and_keeps_it,
            one_of_100_links_the_same_events,
            a_record_is_read_as_it_is_stored,
            what_is_forgotten_is_gone_up_to_its_place_and_with_its_commit,
            the_chain_is_one_and_changes_by_its_revision,
            // keypairs.rs
            a_keypair_is_read_back_whole_by_its_access_key_alone,
            keypairs_of_a_user_come_in_pages_in_order_of_creation,
            an_access_key_is_taken_by_one_of_200,
            a_keypair_is_changed_on_its_revision_alone_by_one_of_200,
            keypairs_go_with_their_owner_and_come_back_with_a_commit_that_fails,
            // outbox.rs
            deliveries_are_due_from_their_exact_millisecond,
            deliveries_are_claimed_once_by_100_workers,
            deliveries_are_paged_in_order_of_their_ids,
            a_claimed_delivery_is_done_only_by_who_claimed_it,
            a_delivery_is_set_aside_by_one_of_100_and_kept,
        }
    };
}
