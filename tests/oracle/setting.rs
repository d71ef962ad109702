//! Numbers that the environment may set.

pub(crate) fn setting(name: &str, default: u64) -> u64 {
    let parse = |text: String| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}"));
    std::env::var(name).map_or(default, parse)
}
