//! Shows how far a backup is: a bar on a terminal, a line for each phase elsewhere.

use crate::output::tell;
use db_migrate::backup::BackupEvent;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};

const BAR: &str = "{bar:30} {percent} %  {msg}  ETA {eta}";

/// Shows progress on standard error for as long as it lives.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
}

impl Shown {
    pub(super) fn new() -> Self {
        let style = || ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: stderr().is_terminal().then(|| ProgressBar::new(0).with_style(style())) }
    }

    pub(super) fn show(&mut self, event: &BackupEvent<'_>) {
        let Some(bar) = &self.bar else {
            // As many lines as there are phases; how far each is nobody reads in a log.
            if !matches!(event, BackupEvent::Advanced { .. } | BackupEvent::Started { .. }) {
                tell(&event.to_string());
            }
            return;
        };
        match event {
            BackupEvent::Started { phase } => {
                bar.reset();
                bar.set_message(phase.to_string());
            }
            BackupEvent::Advanced { done, total, .. } => {
                bar.set_length(*total);
                bar.set_position(*done);
            }
            other => bar.println(other.to_string()),
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
