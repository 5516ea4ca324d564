//! Mails handed to a real mail server (aiosmtpd, a process of its own), from the engine's outbox.
#![cfg(feature = "smtp")]

#[cfg(test)]
mod certificates;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod encryption;
#[cfg(test)]
mod process;
#[cfg(test)]
mod world;
