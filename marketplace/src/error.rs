//! What goes wrong, with a reason that clients may rely on.

use souk_proto::Reason;
use tonic::Status;

/// A failure with its stable reason.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Error {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// The outcome of a call.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Error {
        Error { reason, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(Reason::InvalidArgument, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Error {
        Error::new(Reason::NotFound, message)
    }

    /// A promise between our own parts that was not kept.
    pub(crate) fn internal(message: impl Into<String>) -> Error {
        Error::new(Reason::Internal, message)
    }
}

impl From<souk_coordinator::Error> for Error {
    fn from(error: souk_coordinator::Error) -> Error {
        match error.reason {
            Reason::NoSuchTable => Error::new(
                Reason::WrongState,
                "this cluster has no marketplace yet: its tables are made with the first vendor",
            ),
            reason => Error::new(reason, error.message),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        error.reason.status(error.message)
    }
}
