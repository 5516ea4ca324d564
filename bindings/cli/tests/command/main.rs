//! The command as its user runs it: output and exit status.

#[cfg(test)]
mod administration;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod import;
#[cfg(test)]
mod invitations;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod page;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod store;
#[cfg(test)]
mod user;
