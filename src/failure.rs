//! Why a command ends without success, and the exit code that says so.

use std::{io, process::ExitCode};

use souk_proto::Reason;
use tonic::Status;

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was typed or configured makes no sense: exit code 2.
    Usage(String),
    /// The work failed: exit code 1.
    Failed(anyhow::Error),
    /// The work failed and has been reported already: exit code 1.
    Reported,
    /// A signal stopped it: exit code 130.
    Interrupted,
    /// Whoever reads the output has had enough: exit code 0, as `head` wants it.
    OutputClosed,
}

impl Failure {
    /// A failure with a message of its own.
    pub(crate) fn failed(message: impl Into<String>) -> Failure {
        Failure::Failed(anyhow::Error::msg(message.into()))
    }

    /// What a coordinator's error says: its reason and its message.
    pub(crate) fn of_status(status: &Status) -> Failure {
        Failure::failed(status_text(status))
    }

    /// A failure to write the output.
    pub(crate) fn of_output(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Failed(anyhow::Error::new(error).context("cannot write the output")),
        }
    }

    /// The text for people; none when there is nothing left to say.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Failure::Usage(message) => Some(message.clone()),
            Failure::Failed(error) => Some(format!("{error:#}")),
            Failure::Interrupted => Some("interrupted".to_owned()),
            Failure::Reported | Failure::OutputClosed => None,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Failure::OutputClosed => 0,
            Failure::Failed(_) | Failure::Reported => 1,
            Failure::Usage(_) => 2,
            Failure::Interrupted => 130,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Failed(error)
    }
}

/// Reason and message of a coordinator's error; the gRPC code stands in when it did not come from souk.
pub(crate) fn status_text(status: &Status) -> String {
    match Reason::of(status) {
        Some(reason) => format!("{reason}: {}", status.message()),
        None => format!("{:?}: {}", status.code(), status.message()),
    }
}

/// Prints a failure to stderr.
pub(crate) fn print(failure: &Failure) {
    if let Some(text) = failure.text() {
        eprintln!("error: {}", printable(&text));
    }
}

/// Prints the failure, if any, and gives the exit code.
pub(crate) fn report(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// The text without characters that steer a terminal: messages may quote what a vendor wrote.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push('\n'),
            control if control.is_control() => out.extend(control.escape_default()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_by_its_reason() {
        let status = Reason::NoSuchTable.status("no such table: `x`");
        assert_eq!(Failure::of_status(&status).text().as_deref(), Some("NO_SUCH_TABLE: no such table: `x`"));
        let foreign = Status::unavailable("gone");
        assert_eq!(Failure::of_status(&foreign).text().as_deref(), Some("Unavailable: gone"));
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\nc");
    }

    #[test]
    fn exit_codes_tell_usage_from_failure() {
        assert_eq!(Failure::Usage(String::new()).exit_code(), 2);
        assert_eq!(Failure::failed("x").exit_code(), 1);
        assert_eq!(Failure::of_output(io::ErrorKind::BrokenPipe.into()).exit_code(), 0);
    }
}
