//! The settings that are one word out of a few.

use std::fmt;

/// Defines an enum, its spellings (the first is the one that is printed) and the way from text, case ignored.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal $(| $also:literal)*,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every spelling, one list for each value.
            pub(crate) const WORDS: &'static [&'static [&'static str]] = &[$(&[$word, $($also),*]),+];

            /// The value as it is written in a configuration.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub(crate) fn of(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Where the program runs; decides the defaults together with [`Profile`].
    Environment {
        /// A developer's machine, also tests.
        Development = "development" | "dev" | "test",
        /// The rehearsal of production.
        Staging = "staging" | "stage",
        /// The real thing: TLS is required unless the configuration says otherwise.
        Production = "production" | "prod",
    }
}

words! {
    /// The kind of load; decides the defaults together with [`Environment`].
    Profile {
        /// Many short statements: many connections, short timeouts.
        Oltp = "oltp",
        /// Few long statements: few connections, long timeouts.
        Analytics = "analytics",
        /// Some of both.
        Mixed = "mixed",
    }
}

words! {
    /// How much of TLS is demanded, with libpq's names and meanings.
    SslMode {
        /// No TLS.
        Disable = "disable",
        /// TLS only if the server insists.
        Allow = "allow",
        /// TLS if the server has it.
        Prefer = "prefer",
        /// TLS or no connection; the certificate is not verified.
        Require = "require",
        /// The certificate must be signed by a trusted authority.
        VerifyCa = "verify-ca",
        /// And it must name the host.
        VerifyFull = "verify-full",
    }
}

words! {
    /// Which of several hosts is acceptable, with libpq's names and meanings.
    TargetSessionAttrs {
        /// The first that answers.
        Any = "any",
        /// One that accepts writes.
        ReadWrite = "read-write",
        /// One that does not.
        ReadOnly = "read-only",
        /// A primary.
        Primary = "primary",
        /// A standby.
        Standby = "standby",
        /// A standby if there is one, else any.
        PreferStandby = "prefer-standby",
    }
}

words! {
    /// The least severe event that is logged.
    LogLevel {
        /// Nothing.
        Off = "off",
        /// What failed.
        Error = "error",
        /// And what may fail next.
        Warn = "warn" | "warning",
        /// And what happened.
        Info = "info",
        /// And how.
        Debug = "debug",
        /// And every step of it.
        Trace = "trace",
    }
}

words! {
    /// Who besides the owner may have access to the password file.
    FileAccess {
        /// Nobody outside the owner and the group; others only where a container engine mounts secrets.
        Private = "private",
        /// Whoever: the mount cannot be made stricter.
        Any = "any",
    }
}

words! {
    /// What the URL of Redis is of.
    RedisMode {
        /// The one server.
        Single = "single",
        /// A Sentinel; the server is whichever it calls the master.
        Sentinel = "sentinel",
        /// A node of a cluster.
        Cluster = "cluster",
    }
}

words! {
    /// Where processes share what they cache.
    CacheStore {
        /// In Redis where there is a URL of one, else nowhere.
        Auto = "auto",
        /// Nowhere: each has its own.
        Process = "process" | "none",
        /// In Redis.
        Redis = "redis",
        /// In a table of the database.
        Postgres = "postgres" | "postgresql",
    }
}

words! {
    /// What is done with what access rules say.
    AccessMode {
        /// What they refuse is not done.
        Enforce = "enforce",
        /// Everything is done, and what they would have refused is told.
        Observe = "observe",
        /// They are not asked.
        Off = "off",
    }
}

#[cfg(test)]
mod tests {
    use super::{
        AccessMode, CacheStore, Environment, FileAccess, LogLevel, Profile, RedisMode, SslMode,
        TargetSessionAttrs,
    };

    #[test]
    fn the_first_spelling_is_the_one_printed_and_read() {
        fn check<T: std::fmt::Display>(words: &[&[&str]], of: fn(&str) -> Option<T>) {
            for spellings in words {
                assert_eq!(of(spellings[0]).map(|value| value.to_string()).as_deref(), Some(spellings[0]));
            }
        }
        check(Environment::WORDS, Environment::of);
        check(Profile::WORDS, Profile::of);
        check(SslMode::WORDS, SslMode::of);
        check(TargetSessionAttrs::WORDS, TargetSessionAttrs::of);
        check(LogLevel::WORDS, LogLevel::of);
        check(FileAccess::WORDS, FileAccess::of);
        check(RedisMode::WORDS, RedisMode::of);
        check(CacheStore::WORDS, CacheStore::of);
        check(AccessMode::WORDS, AccessMode::of);
    }
}
