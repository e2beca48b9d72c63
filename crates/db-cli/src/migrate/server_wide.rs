//! Whether a scratch database may be used for what does not stay in it.

use clap::Args;
use db_migrate::ServerWide;

#[derive(Args, Clone, Debug)]
pub(crate) struct ServerWideArgs {
    /// Run statements about roles, databases, tablespaces, subscriptions and the server's settings on a scratch database,
    /// too: they act on the whole server, and nothing undoes them
    #[arg(long)]
    allow_server_wide: bool,
}

impl ServerWideArgs {
    pub(super) fn wanted(&self) -> ServerWide {
        wanted(self.allow_server_wide)
    }
}

/// What the switch says.
pub(super) fn wanted(allowed: bool) -> ServerWide {
    if allowed { ServerWide::Run } else { ServerWide::Refuse }
}
