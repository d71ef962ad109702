//! Steps at which a test has the call fail or the process end. Without the feature `failpoints` nothing of it is compiled.
//!
//! `tests/failpoints/points.rs` lists them.

/// A step: the function returns an error there, or the process ends. With `doubt` that is the error of a commit that may have happened,
/// after which the connection is closed; with `crash` there is no error to return, and the process can only end.
#[cfg(feature = "failpoints")]
macro_rules! failpoint {
    (crash $name:literal) => {
        crate::failpoint::fails($name);
    };
    (doubt $name:literal) => {
        if crate::failpoint::fails($name) {
            return Err(WriteFault { fault: crate::failpoint::doubt($name), close: true });
        }
    };
    ($name:literal) => {
        if crate::failpoint::fails($name) {
            return Err(crate::failpoint::fault($name).into());
        }
    };
}

#[cfg(not(feature = "failpoints"))]
macro_rules! failpoint {
    ($($step:tt)*) => {};
}

#[cfg(feature = "failpoints")]
pub(crate) use armed::{doubt, fails, fault};

#[cfg(feature = "failpoints")]
mod armed {
    use souk_proto::Reason;

    use crate::error::Fault;

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

    pub(crate) fn fault(name: &str) -> Fault {
        Fault::new(Reason::ShardUnavailable, format!("the step `{name}` failed"))
    }

    /// As of a COMMIT that failed.
    pub(crate) fn doubt(name: &str) -> Fault {
        let words = format!("whether the rows were written is unknown: the step `{name}` failed");
        Fault::new(Reason::ShardUnavailable, words)
    }
}
