//! The two ways to look at processes, and the two ways to hear of their ends, held to the same promises: that of Linux, which gtctl uses here, and the
//! portable one, which it uses everywhere else. Where they differ, `docs/portability.md` says so, and `differences` shows it.

// A panic is how a test says no, in the functions that it calls as well.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod processes {
    pub mod differences;
    pub mod fellow;
    pub mod promises;
}

/// Runs a promise for both.
macro_rules! both {
    ($($promise:ident),+ $(,)?) => {
        mod linux {
            use gtctl::machine::{ending::Pidfds, processes::Linux};
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() { crate::processes::promises::$promise(Linux, Pidfds).await })+
        }
        mod portable {
            use gtctl::machine::{ending::Polling, processes::Portable};
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() { crate::processes::promises::$promise(Portable, Polling).await })+
        }
    };
}

both![
    a_zombie_is_told_from_the_living_and_from_what_is_gone,
    who_a_process_is_stays_the_same_for_as_long_as_it_lives,
    s17_a_reused_pid_is_another_process_and_is_not_signalled,
    children_are_those_of_all_threads_and_nobody_elses,
    program_and_arguments_are_those_of_the_last_exec,
    an_argument_that_is_no_text_is_unknown,
    law_13_of_an_environment_only_what_is_asked_for_is_told,
    the_table_has_all_that_live_and_none_that_have_ended,
    the_end_of_a_process_that_is_no_child_is_heard,
    the_end_of_one_that_nobody_collects_is_heard,
    what_lives_past_the_limit_is_left_over,
    all_who_wait_for_the_same_end_hear_of_it,
    many_ends_are_all_heard,
    one_that_ends_while_it_is_looked_at_is_never_taken_for_another,
    what_has_ended_is_signalled_in_vain_and_that_is_no_error,
    there_is_memory,
    what_a_process_takes_of_the_memory_is_known,
];
