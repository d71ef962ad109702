//! Steps at which a test has the call fail or the process end. Without the feature `failpoints` nothing of it is compiled.
//!
//! `tests/failpoints/points.rs` lists them.

/// A step: the function returns an error there, or the process ends. With `doubt` that is the error of a call that broke off and may have
/// happened; with `crash` there is no error to return, and the process can only end.
#[cfg(feature = "failpoints")]
macro_rules! failpoint {
    (crash $name:literal) => {
        crate::failpoint::fails($name);
    };
    (doubt $name:literal) => {
        if crate::failpoint::fails($name) {
            return Err(crate::failpoint::doubt($name));
        }
    };
    ($name:literal) => {
        if crate::failpoint::fails($name) {
            return Err(crate::failpoint::Failed($name).into());
        }
    };
}

#[cfg(not(feature = "failpoints"))]
macro_rules! failpoint {
    ($($step:tt)*) => {};
}

#[cfg(feature = "failpoints")]
pub(crate) use armed::{Failed, doubt, fails};

#[cfg(feature = "failpoints")]
mod armed {
    use rusqlite::ffi;
    use souk_proto::Reason;

    use crate::error::Error;

    /// The step of this name failed.
    pub(crate) struct Failed(pub(crate) &'static str);

    /// Whether a step is to fail now; ends the process when it is to crash. The test reads what is written.
    pub(crate) fn fails(name: &'static str) -> bool {
        fail::fail_point!(name, |action| {
            eprintln!("failpoint {name}");
            if action.as_deref() == Some("crash") {
                std::process::abort();
            }
            true
        });
        false
    }

    /// As of a node that broke off.
    pub(crate) fn doubt(name: &str) -> Error {
        let words = format!("whether the statement happened is unknown: the step `{name}` failed");
        Error::in_doubt(Reason::ShardUnavailable, words)
    }

    impl From<Failed> for Error {
        fn from(Failed(name): Failed) -> Error {
            Error::new(Reason::ShardUnavailable, format!("the step `{name}` failed"))
        }
    }

    /// As of a disk.
    impl From<Failed> for rusqlite::Error {
        fn from(Failed(name): Failed) -> rusqlite::Error {
            let error = ffi::Error::new(ffi::SQLITE_IOERR);
            rusqlite::Error::SqliteFailure(error, Some(format!("the step `{name}` failed")))
        }
    }
}
