//! What a client does while things fail, and what it is told.

use std::time::Duration;

use souk_proto::Reason;

use crate::{
    client::{Client, Told},
    random::Random,
};

/// Vendors, from 1, each with a shard of its own.
pub(crate) const VENDORS: i64 = 4;

/// How often a named request is sent.
const TRIES_MAX: usize = 4;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    OneShard,
    TwoShards,
    ThreeShards,
    /// A row that every shard has.
    Replicated,
    /// What one vendor has more another has less: nothing is left to count.
    Transfer,
    /// One of its shards refuses.
    Refused,
    /// A named request, of two shards or of one, that is sent until it is answered.
    Repeated,
    RepeatedOnOne,
    /// A named request that is sent once, and asked about.
    Asked,
}

use Kind::{Asked, OneShard, Refused, Repeated, RepeatedOnOne, Replicated, ThreeShards, Transfer, TwoShards};

const KINDS: [Kind; 9] =
    [OneShard, TwoShards, ThreeShards, Replicated, Transfer, Refused, Repeated, RepeatedOnOne, Asked];

/// What concerns few shards is done once from each vendor, so that each node has to do it twice.
const OF_EACH_VENDOR: [Kind; 2] = [OneShard, Refused];

/// A piece of work, by the number that its rows have.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) number: i64,
    pub(crate) kind: Kind,
    statements: Vec<String>,
}

impl Kind {
    /// How many rows with its number are there when it is done.
    pub(crate) fn rows(self) -> i64 {
        match self {
            OneShard | Replicated | RepeatedOnOne => 1,
            TwoShards | Repeated | Asked => 2,
            ThreeShards => 3,
            Transfer | Refused => 0,
        }
    }
}

impl Work {
    /// A named request's name.
    pub(crate) fn request_id(&self) -> Option<String> {
        matches!(self.kind, Repeated | RepeatedOnOne | Asked).then(|| format!("request {}", self.number))
    }

    fn new(kind: Kind, one: i64, number: i64) -> Work {
        let [other, third] = [1, 2].map(|further| 1 + (one - 1 + further) % VENDORS);
        let insert = |rows: &[(i64, i64)]| {
            let rows: Vec<String> = rows.iter().map(|(vendor, number)| format!("({vendor}, {number})")).collect();
            format!("INSERT INTO log VALUES {}", rows.join(", "))
        };
        let transfer = format!(
            "UPDATE t SET n = n + CASE vendor_id WHEN {one} THEN -1 ELSE 1 END WHERE vendor_id IN ({one}, {other})"
        );
        let statements = match kind {
            OneShard | RepeatedOnOne => vec![insert(&[(one, number)])],
            TwoShards => vec![insert(&[(one, number), (other, number)])],
            ThreeShards => vec![insert(&[(one, number), (other, number), (third, number)])],
            Replicated => vec![format!("INSERT INTO u(number) VALUES ({number})")],
            Transfer => vec![transfer],
            // No number is zero.
            Refused => vec![insert(&[(one, number), (other, 0)])],
            Repeated | Asked => vec![insert(&[(one, number)]), transfer, insert(&[(other, number)])],
        };
        Work { number, kind, statements }
    }
}

/// Each kind once or from each vendor, in an order by chance.
pub(crate) fn plan(first: i64, random: &mut Random) -> Vec<Work> {
    let mut kinds = KINDS.to_vec();
    for last in (1..kinds.len()).rev() {
        kinds.swap(last, random.below(last + 1));
    }
    let mut all = Vec::new();
    for kind in kinds {
        let one = random.between(1, VENDORS);
        let last = if OF_EACH_VENDOR.contains(&kind) { one + VENDORS } else { one + 1 };
        for vendor in one..last {
            all.push(Work::new(kind, 1 + vendor % VENDORS, first + all.len() as i64));
        }
    }
    all
}

/// Does a piece of work; all that the client was told. An answer to the question is told like one to the request.
pub(crate) async fn work(client: Client, work: Work) -> Vec<Told> {
    let Some(id) = work.request_id() else {
        return vec![client.execute(&work.statements[0]).await];
    };
    let mut told = vec![client.transact(&id, &work.statements).await];
    if work.kind == Asked {
        let mut tries = 0;
        while told.last() != Some(&Told::Done) && tries < TRIES_MAX {
            match client.was_done(&id).await {
                Some(true) => told.push(Told::Done),
                Some(false) => {
                    told.push(client.transact(&id, &work.statements).await);
                    assert_ne!(told.last(), Some(&Told::Done), "it was ended, and done then");
                    break;
                }
                None => tokio::time::sleep(TRY_AGAIN_AFTER).await,
            }
            tries += 1;
        }
        return told;
    }
    while told.last() != Some(&Told::Done) && told.len() < TRIES_MAX {
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
        told.push(client.transact(&id, &work.statements).await);
        let refused = matches!(told.last(), Some(Told::NotDone(Reason::RequestIdReused, _)));
        assert!(!refused, "the same request is taken for another: {told:?}");
    }
    told
}
