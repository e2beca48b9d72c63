//! An error in one line, for a log or a person.

use std::{error::Error, iter::successors};

/// The error and its causes, joined by colons, each said once: some libraries repeat a cause in the text of the error
/// above it.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source()) {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::with_causes;
    use std::{error::Error, fmt};

    #[derive(Debug)]
    struct Step(&'static str, Option<Box<Step>>);

    impl fmt::Display for Step {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Step {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|step| step as _)
        }
    }

    #[test]
    fn each_cause_is_said_once() {
        let root = Step("refused", None);
        let middle = Step("cannot connect: refused", Some(Box::new(root)));
        assert_eq!(
            with_causes(&Step("no answer", Some(Box::new(middle)))),
            "no answer: cannot connect: refused"
        );
        assert_eq!(with_causes(&Step("alone", None)), "alone");
    }
}
