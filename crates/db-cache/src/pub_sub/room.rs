//! How much may wait for a subscriber.

/// How much of what a subscriber has not heard yet is kept for it. What is older falls out, and it hears of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Room {
    /// Messages that wait for a subscriber.
    pub messages: usize,
    /// Bytes of them all; a single message may be longer.
    pub bytes: usize,
    /// Subscriptions in this process, all channels together.
    pub subscriptions: usize,
}

impl Default for Room {
    /// 1,024 messages of 8 MiB in all for each of 512 subscriptions. Messages in memory are shared by those they wait for.
    fn default() -> Self {
        Self { messages: 1_024, bytes: 8 << 20, subscriptions: 512 }
    }
}
