//! What fails in a run, and its text, `PROCESS/POINT:ACTION:WHEN`, several joined with `+`: `n1/intent-committed:crash:first`.

use std::fmt;

use crate::{
    points::{Of, POINTS, Point, find},
    random::Random,
};

/// The processes, by their names.
pub(crate) const PROCESSES: [&str; 3] = ["n1", "n2", "coordinator"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Error,
    Crash,
}

/// Which of the times that the step is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    First,
    Second,
    Always,
}

const WHENS: [When; 3] = [When::First, When::Second, When::Always];

/// A point that is armed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Armed {
    pub(crate) process: &'static str,
    pub(crate) point: &'static Point,
    pub(crate) action: Action,
    pub(crate) when: When,
}

#[derive(Debug, Clone)]
pub(crate) struct Case(pub(crate) Vec<Armed>);

impl Armed {
    /// As the variable FAILPOINTS wants it.
    pub(crate) fn setting(&self) -> String {
        let action = self.action.word();
        let actions = match self.when {
            When::First => format!("1*return({action})"),
            When::Second => format!("1*off->1*return({action})"),
            When::Always => format!("return({action})"),
        };
        format!("{}={actions}", self.point.name)
    }
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Action::Error => "error",
            Action::Crash => "crash",
        }
    }
}

impl When {
    fn word(self) -> &'static str {
        match self {
            When::First => "first",
            When::Second => "second",
            When::Always => "always",
        }
    }
}

impl fmt::Display for Armed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Armed { process, point, action, when } = self;
        write!(formatter, "{process}/{}:{}:{}", point.name, action.word(), when.word())
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(Armed::to_string).collect();
        formatter.write_str(&all.join("+"))
    }
}

fn read_armed(text: &str) -> Option<Armed> {
    let (process, rest) = text.split_once('/')?;
    let [name, action, when] = rest.split(':').collect::<Vec<_>>().try_into().ok()?;
    Some(Armed {
        process: PROCESSES.into_iter().find(|known| *known == process)?,
        point: find(name)?,
        action: [Action::Error, Action::Crash].into_iter().find(|known| known.word() == action)?,
        when: WHENS.into_iter().find(|known| known.word() == when)?,
    })
}

/// Reads the text of a case.
pub(crate) fn read(text: &str) -> Case {
    let armed = |text: &str| read_armed(text).unwrap_or_else(|| panic!("`{text}` is no PROCESS/POINT:ACTION:WHEN"));
    Case(text.split('+').map(armed).collect())
}

fn actions(point: &Point) -> &'static [Action] {
    if point.errs { &[Action::Error, Action::Crash] } else { &[Action::Crash] }
}

/// Every point by itself, in every way.
pub(crate) fn singles() -> Vec<Case> {
    let mut cases = Vec::new();
    for point in POINTS {
        let process = if point.of == Of::Node { "n1" } else { "coordinator" };
        let behind = point.behind.map_or(Vec::new(), |case| read(case).0);
        for action in actions(point) {
            // What comes behind another failure comes once.
            let whens = WHENS.into_iter().filter(|when| point.behind.is_none() || *when != When::Second);
            for when in whens {
                let armed = Armed { process, point, action: *action, when };
                cases.push(Case([vec![armed], behind.clone()].concat()));
            }
        }
    }
    cases
}

/// Two different points, by chance.
pub(crate) fn pair(random: &mut Random) -> Case {
    let first = random.below(POINTS.len());
    let second = (first + 1 + random.below(POINTS.len() - 1)) % POINTS.len();
    let (mut all, mut behinds) = (Vec::new(), Vec::new());
    for point in [&POINTS[first], &POINTS[second]] {
        let process = if point.of == Of::Node { *random.pick(&["n1", "n2"]) } else { "coordinator" };
        let (action, when) = (*random.pick(actions(point)), *random.pick(&WHENS));
        all.push(Armed { process, point, action, when });
        behinds.extend(point.behind.map_or(Vec::new(), |case| read(case).0));
    }
    for behind in behinds {
        // No step is armed twice.
        if all.iter().all(|armed: &Armed| armed.point.name != behind.point.name) {
            all.push(behind);
        }
    }
    Case(all)
}
