//! What had its time, partition by partition: all are asked how much is due, and only where something is, it goes.

use crate::connections::Link;
use crate::fault::Trouble;
use crate::key::Partition;
use crate::record::{Script, digits};

/// One kind of thing that has its time, listed in an index by when.
pub(crate) struct Sweep {
    /// The index.
    pub(crate) index: Vec<String>,
    /// What goes with each: keys that begin like this.
    pub(crate) prefixes: &'static [&'static str],
    /// Up to where the index is due, as Redis writes ends of ranges.
    pub(crate) due: String,
    pub(crate) script: &'static Script,
}

impl Sweep {
    /// Removes at most `limit`; returns how many.
    pub(crate) async fn run(&self, link: &Link, time: i64, limit: usize) -> Result<usize, Trouble> {
        let index = |partition: Partition| {
            let [first, ..] = self.index.as_slice() else { return Vec::new() };
            partition.key(first)
        };
        let ask = Partition::all().map(|partition| {
            let mut command = redis::cmd("ZCOUNT");
            command.arg(index(partition)).arg("-inf").arg(&self.due);
            command
        });
        let due: Vec<usize> = link.each(ask.collect()).await?;
        let mut swept = 0_usize;
        for (partition, due) in Partition::all().zip(due) {
            let left = limit.saturating_sub(swept);
            if due == 0 || left == 0 {
                continue;
            }
            let keys: Vec<Vec<u8>> = self.index.iter().map(|kind| partition.key(kind)).collect();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let prefixes = self.prefixes.iter().map(|kind| partition.prefix(kind));
            let arguments: Vec<Vec<u8>> = [digits(time), digits(left)].into_iter().chain(prefixes).collect();
            let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
            swept = swept.saturating_add(self.script.run::<usize>(link, &keys, &arguments).await?);
        }
        Ok(swept)
    }
}
