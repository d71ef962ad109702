//! The rules by name, so that each can be left out.

/// A rule. The head of `main.rs` says what it is; here is what goes wrong without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The commit of one content is taken for that of another, which only some shards have prepared.
    CommitNamesContent,
    /// A second intent takes the place of the first, and the first one's commit misses the shard.
    OneIntent,
    /// A local write changes what the intent's statements were checked against.
    FencedWriter,
    /// A shard loses patience and releases what is then committed.
    IntentIsPromise,
    /// A crash between the effect and the intent's end: the effect comes twice.
    ApplyIsOneStep,
    /// A late Prepare after Apply makes an intent again, and the commit stands: the effect comes twice.
    RemembersDone,
    /// The ledger says first one thing, then the other.
    FirstDecisionStands,
    /// A shard hears "unknown, so aborted" and releases; then the coordinator commits.
    AskingDecides,
    /// A shard asks about what its coordinator has forgotten, and waits forever.
    AskingIsAnswered,
    /// A commit misses a shard that never prepared.
    CommitNeedsAll,
    /// A shard applies when all have voted; then a recovery aborts.
    ShardsHearTheLedger,
    /// A client hears "done" when all have voted; then a recovery aborts.
    ClientHearsTheLedger,
    /// One coordinator says "not done" as every shard has refused; then the shards prepare for another one, which
    /// commits.
    RefusalIsDecided,
    /// One coordinator aborts and says "not done"; another one commits.
    AbortIsDecided,
    /// A late Prepare makes an intent of what is done and forgotten.
    OldIsNotPrepared,
    /// What is done is forgotten so early that a late Prepare makes an intent again.
    DoneOutlivesPrepare,
    /// An abort is dropped, its shards released; then a late wish for the commit is granted.
    OldIsNotDecided,
    /// A commit is dropped; then the client sends the request again and hears "not done".
    TooOldIsUnknown,
    /// A row is dropped so early that the other decision can follow.
    RowOutlivesDecide,
    /// A commit is dropped while a shard has the intent, which asks, and releases.
    RowOutlivesIntents,
}

/// All rules but at most one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) without: Option<Rule>,
}

impl Rules {
    pub(crate) fn hold(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
