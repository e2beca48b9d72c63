//! Standard output, for whoever keeps what programs print.

use super::{SignedCheckpoint, Witness};
use async_trait::async_trait;
use db_core::BoxError;
use std::io;

/// Writes checkpoints to standard output, for whoever collects that.
#[derive(Debug, Default)]
pub struct StdoutWitness;

#[async_trait]
impl Witness for StdoutWitness {
    fn name(&self) -> &'static str {
        "stdout"
    }

    async fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<(), BoxError> {
        let note = format!("{}\n", checkpoint.note());
        tokio::task::spawn_blocking(move || {
            let mut out = io::stdout().lock();
            io::Write::write_all(&mut out, note.as_bytes())?;
            io::Write::flush(&mut out)
        })
        .await??;
        Ok(())
    }
}
