//! The flows, whole: an engine on stores in memory, with a clock that the tests own.

mod faults;
mod login;
mod races;
mod sessions;
mod sign_up;
mod world;
