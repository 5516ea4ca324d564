//! The whole API over its real router, on stores in memory.

#[cfg(test)]
mod account;
#[cfg(test)]
mod administration;
#[cfg(test)]
mod administrators;
mod bodies;
#[cfg(test)]
mod bytes;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod email;
mod equal;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod headers;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod invitations;
mod keypairs;
#[cfg(test)]
mod lifetimes;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod midway;
#[cfg(test)]
mod nist;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod origins;
#[cfg(test)]
mod passwords;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod server;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod story;
#[cfg(test)]
mod totp;
#[cfg(test)]
mod trail;
#[cfg(test)]
mod world;
