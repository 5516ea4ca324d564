//! Mails handed to mail servers of every mood.
#![cfg(feature = "smtp")]

#[cfg(test)]
mod answers;
