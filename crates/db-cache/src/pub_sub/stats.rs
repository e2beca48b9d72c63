//! What has come of publishing and listening so far.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($(#[$of:meta])* $public:ident, $counters:ident { $($(#[$doc:meta])* $name:ident),* $(,)? }) => {
        #[derive(Debug, Default)]
        pub(crate) struct $counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        $(#[$of])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $public {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl $counters {
            pub(crate) fn read(&self) -> $public {
                $public { $($name: self.$name.load(Relaxed),)* }
            }
        }
    };
}

counters! {
    /// What has come of a store's channels since it was made.
    PubSubStats, StoreCounters {
        /// Messages that this process has published.
        published,
        /// Messages that subscribers have heard, each counted for each.
        heard,
        /// Gaps that subscribers have heard of.
        gaps,
        /// Messages that a subscriber was too slow for.
        dropped,
        /// Times that the connection which listens was lost, or could not be made.
        reconnects,
        /// Subscriptions that are open.
        subscriptions,
    }
}

counters! {
    /// What has come of a topic since it was opened.
    TopicStats, TopicCounters {
        /// Messages that were published.
        published,
        /// Messages that its subscribers have heard.
        heard,
        /// Gaps that they have heard of.
        gaps,
        /// Messages that are known to be missing in those.
        missed,
        /// Messages that were of another version or could not be read.
        unreadable,
    }
}
