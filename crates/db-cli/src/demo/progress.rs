//! Shows how far the demonstration is: a bar on a terminal, a line now and then elsewhere.

use crate::output::tell;
use db_tasks::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::{
    fmt::Write,
    io::{IsTerminal, stderr},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time::interval};

const BAR: &str = "{bar:30} {pos}/{len} tasks  {rate}  ETA {eta}  {msg}";
/// Between two updates of the bar.
const FRAME: Duration = Duration::from_millis(100);
/// Between two lines where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// Shows progress on standard error for as long as it lives.
pub(crate) struct Shown {
    _task: JoinSet<()>,
    bar: ProgressBar,
}

impl Shown {
    pub(crate) fn start(total: u64, progress: Arc<Progress>) -> Self {
        let bar = if stderr().is_terminal() {
            let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
            let style = style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                // A bar has nobody to tell that it cannot be written.
                let _ = write!(out, "{:.0}/s", state.per_sec());
            });
            ProgressBar::new(total).with_style(style)
        } else {
            ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden())
        };
        let mut task = JoinSet::new();
        task.spawn(show(bar.clone(), total, progress));
        Self { _task: task, bar }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

async fn show(bar: ProgressBar, total: u64, progress: Arc<Progress>) {
    let started = Instant::now();
    let mut frames = interval(if bar.is_hidden() { LINE } else { FRAME });
    frames.tick().await;
    loop {
        frames.tick().await;
        let ended = progress.ended();
        if bar.is_hidden() {
            tell(&line(ended, total, progress.failed(), started.elapsed()));
        } else {
            bar.set_position(ended);
            if progress.failed() > 0 {
                bar.set_message(format!("{} failed", progress.failed()));
            }
        }
    }
}

fn line(ended: u64, total: u64, failed: u64, elapsed: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a rate for a reader")]
    let rate = ended as f64 / elapsed.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "a time for a reader")]
    let left = total.saturating_sub(ended) as f64 / rate.max(0.001);
    format!("{ended}/{total} tasks, {failed} failed, {rate:.0}/s, ETA {left:.0} s")
}

#[cfg(test)]
mod tests {
    use super::line;
    use std::time::Duration;

    #[test]
    fn a_line_tells_rate_and_rest() {
        assert_eq!(line(50, 150, 2, Duration::from_secs(5)), "50/150 tasks, 2 failed, 10/s, ETA 10 s");
    }
}
