//! A pool of twins of one schema: a twin serves one statement at a time.

use std::ops::Deref;

use parking_lot::Mutex;

use crate::sql::Twin;

/// Twins kept between statements, at most.
const IDLE_MAX: usize = 8;

/// Twins of one schema.
pub(crate) struct Twins {
    script: Vec<String>,
    idle: Mutex<Vec<Twin>>,
}

/// A twin, until it is dropped.
pub(crate) struct TwinGuard<'a> {
    twins: &'a Twins,
    twin: Option<Twin>,
}

impl Twins {
    pub(crate) fn new(script: Vec<String>) -> Twins {
        Twins { script, idle: Mutex::new(Vec::new()) }
    }

    /// An idle twin, or a new one.
    pub(crate) fn take(&self) -> Result<TwinGuard<'_>, rusqlite::Error> {
        let idle = self.idle.lock().pop();
        let twin = match idle {
            Some(twin) => twin,
            None => Twin::new(self.script.iter().map(String::as_str))?,
        };
        Ok(TwinGuard { twins: self, twin: Some(twin) })
    }
}

impl Deref for TwinGuard<'_> {
    type Target = Twin;

    fn deref(&self) -> &Twin {
        self.twin.as_ref().expect("a twin is taken out only by drop")
    }
}

impl Drop for TwinGuard<'_> {
    fn drop(&mut self) {
        let mut idle = self.twins.idle.lock();
        if let Some(twin) = self.twin.take()
            && idle.len() < IDLE_MAX
        {
            idle.push(twin);
        }
    }
}
