//! The simulated world: a machine of values behind the same door as the real one, so that everything that gtctl is made of can be tried
//! against every accident, a million times.
//!
//! - [`choose`]: all that could be otherwise comes from one tape of numbers.
//! - [`clock`], [`disk`], [`processes`], [`tmux`], [`answers`] of other programs: the parts of a machine; tmux hears and answers the text of the real one.
//! - [`world`]: all of them as one value; [`machine`]: that value behind [`Machine`](crate::machine::Machine).
//! - [`fate`]: what becomes of each thing that a controller does; [`mishap`]: what befalls the world from elsewhere.
//! - [`plot`]: towns to try things on; [`copied`]: the user's own town; [`scene`]: one of these; [`keeper`]: a controller, stepped by hand.
//! - [`check`]: the laws, held against what really happened; [`run`]: hurt, heal, and come to rest, on a [`stage`].
//! - [`faults`]: what `gtctl simulate` can do to a town, in the words of its users; [`rehearsal`]: a town without and with one of them.

pub mod answers;
pub mod check;
pub mod choose;
pub mod clock;
pub mod copied;
pub mod disk;
pub mod fate;
pub mod faults;
pub mod keeper;
pub mod machine;
pub mod mishap;
pub mod places;
pub mod plot;
pub mod processes;
pub mod rehearsal;
mod rest;
pub mod run;
pub mod scene;
pub mod stage;
pub mod tmux;
pub mod world;
