//! What a process did to its files, as `strace -ff` tells: one file a thread, so that no line interrupts another.

use std::{fs, path::Path, path::PathBuf};

/// When a call began and when it had ended, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) begin: u64,
    pub(crate) end: u64,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) span: Span,
    pub(crate) act: Act,
}

/// What changes files or makes changes durable.
#[derive(Debug)]
pub(crate) enum Act {
    /// Makes the file when there is none.
    Open {
        file: PathBuf,
        truncates: bool,
    },
    Write {
        file: PathBuf,
        at: usize,
        bytes: Vec<u8>,
    },
    Resize {
        file: PathBuf,
        length: usize,
    },
    /// Of a file or of a folder.
    Sync {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Unlink {
        file: PathBuf,
    },
    MakeFolder {
        folder: PathBuf,
    },
}

/// How `strace` is to be called: what it records of every thread goes to `PREFIX.THREAD`. Besides the calls that [`Act`] knows, those
/// are recorded that it does not know, so that none goes unnoticed.
pub(crate) const OPTIONS: [&str; 9] = [
    "-ff",
    "--seccomp-bpf",
    "--decode-fds=path",
    "--strings-in-hex=all",
    "--string-limit=100000000",
    "--absolute-timestamps=format:unix,precision:ns",
    "--syscall-times=ns",
    "-q",
    "--trace=open,openat,openat2,creat,write,writev,pwrite64,pwritev,pwritev2,truncate,ftruncate,fallocate,fsync,fdatasync,\
     sync_file_range,msync,copy_file_range,sendfile,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir",
];

/// The calls on files below `root` that all threads of all processes made until some time, in the order in which they ended. None when a
/// process ended amidst one of them: whether that has happened is not recorded.
pub(crate) fn read(prefix: &Path, root: &Path, until: u64) -> Option<Vec<Call>> {
    let folder = prefix.parent().expect("records lie in a folder");
    let mut calls = Vec::new();
    for file in fs::read_dir(folder).expect("the folder of records") {
        let file = file.expect("a record").path();
        if file.file_stem() == prefix.file_name() {
            let text = fs::read_to_string(&file).expect("a record is text");
            let lines = || text.lines().filter(|line| Line::began(line).is_some_and(|began| began <= until));
            if lines().any(|line| Line::cut_off(line).is_some_and(|line| line.is_below(root))) {
                return None;
            }
            calls.extend(lines().filter_map(|line| Line::parse(line)?.call(root)));
        }
    }
    calls.sort_by_key(|call| call.span.end);
    Some(calls)
}

/// `TIME NAME(ARGUMENT, ...) = RESULT <DURATION>`. Strings and paths are in hex, so that the marks between are unmistakable.
struct Line<'l> {
    span: Span,
    name: &'l str,
    arguments: Vec<&'l str>,
    result: &'l str,
}

impl<'l> Line<'l> {
    fn began(line: &str) -> Option<u64> {
        nanoseconds(line.split_once(' ')?.0)
    }

    /// None for what is no call, and for a call that failed.
    fn parse(line: &'l str) -> Option<Line<'l>> {
        let (begin, rest) = line.split_once(' ')?;
        let (name, rest) = rest.split_once('(')?;
        let (rest, took) = rest.strip_suffix('>')?.rsplit_once(" <")?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        if result.starts_with(['-', '?']) {
            return None;
        }
        let begin = nanoseconds(begin)?;
        let span = Span { begin, end: begin + nanoseconds(took)? };
        let arguments = arguments.trim_end().strip_suffix(')')?.split(", ").collect();
        Some(Line { span, name, arguments, result })
    }

    /// A call amidst which the process ended: it has no result.
    fn cut_off(line: &'l str) -> Option<Line<'l>> {
        let (_, rest) = line.split_once(' ')?;
        let (name, rest) = rest.split_once('(')?;
        let arguments = rest
            .strip_suffix(" <unfinished ...>")
            .or_else(|| rest.strip_suffix('?')?.rsplit_once(" = ").map(|(before, _)| before))?;
        let arguments = arguments.trim_end().trim_end_matches(')').split(", ").collect();
        Some(Line { span: Span { begin: 0, end: 0 }, name, arguments, result: "" })
    }

    fn is_below(&self, root: &Path) -> bool {
        self.descriptor(root).is_some() || self.paths(root).is_some()
    }

    /// None when it is about no file below the root.
    fn call(&self, root: &Path) -> Option<Call> {
        let act = match self.name {
            "open" | "openat" => self.open(root)?,
            "pwrite64" => {
                let (file, bytes) = (self.descriptor(root)?, text(self.arguments[1]));
                assert_eq!(self.result, bytes.len().to_string(), "a write that was cut short is not modelled");
                Act::Write { file, at: self.number(3), bytes }
            }
            "ftruncate" => Act::Resize { file: self.descriptor(root)?, length: self.number(1) },
            "fsync" | "fdatasync" => Act::Sync { path: self.descriptor(root)? },
            "rename" | "renameat" | "renameat2" => {
                let [from, to] = self.paths(root)?.try_into().expect("two paths");
                Act::Rename { from, to }
            }
            "unlink" | "unlinkat" => Act::Unlink { file: self.paths(root)?.remove(0) },
            "mkdir" | "mkdirat" => Act::MakeFolder { folder: self.paths(root)?.remove(0) },
            other => {
                assert!(!self.is_below(root), "`{other}` on a file of ours is not modelled: {:?}", self.arguments[0]);
                return None;
            }
        };
        Some(Call { span: self.span, act })
    }

    fn open(&self, root: &Path) -> Option<Act> {
        let flags = self.arguments.iter().find(|argument| argument.starts_with("O_"))?;
        let file = below(root, path_of(self.result)?)?;
        let truncates = flags.contains("O_TRUNC");
        (truncates || flags.contains("O_CREAT")).then_some(Act::Open { file, truncates })
    }

    /// The path of the descriptor that is the first argument. None for a file that has no name any more: it is lost anyhow.
    fn descriptor(&self, root: &Path) -> Option<PathBuf> {
        below(root, path_of(self.arguments[0])?)
    }

    /// The arguments that are paths.
    fn paths(&self, root: &Path) -> Option<Vec<PathBuf>> {
        let quoted = self.arguments.iter().filter(|argument| argument.starts_with('"'));
        let paths: Option<Vec<PathBuf>> = quoted.map(|path| below(root, path_from(text(path)))).collect();
        paths.filter(|paths| !paths.is_empty())
    }

    fn number(&self, argument: usize) -> usize {
        self.arguments[argument].parse().expect("an argument that is a number")
    }
}

fn nanoseconds(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.')?;
    Some(whole.parse::<u64>().ok()? * 1_000_000_000 + fraction.parse::<u64>().ok()?)
}

/// Of `NUMBER<PATH>`.
fn path_of(descriptor: &str) -> Option<PathBuf> {
    let path = descriptor.split_once('<')?.1.strip_suffix('>')?;
    Some(path_from(text(path)))
}

fn path_from(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

/// The memory that connections share is no part of the disk: after a power cut nobody believes it.
pub(super) fn is_shared_memory(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"-shm")
}

fn below(root: &Path, path: PathBuf) -> Option<PathBuf> {
    (path.starts_with(root) && !is_shared_memory(&path)).then_some(path)
}

/// The bytes of `\x2f\x74...`, with or without quotes.
fn text(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => panic!("no hex digit: {digit}"),
    };
    hex.trim_matches('"').as_bytes().chunks_exact(4).map(|byte| digit(byte[2]) << 4 | digit(byte[3])).collect()
}
