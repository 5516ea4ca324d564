//! The portal as a program: started on an empty folder, driven over the network, killed, configured, stopped.

#[cfg(test)]
mod administrators;
#[cfg(test)]
mod authenticator;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod mail_reload;
#[cfg(test)]
mod mailbox;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod nist;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod process;
#[cfg(test)]
mod races;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod smtp;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod threat_model;
#[cfg(test)]
mod trail;
