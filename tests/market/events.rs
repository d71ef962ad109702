//! Events: at least once, in order for each vendor, without a gap; and live queries.

use std::{collections::BTreeMap, time::Duration};

use souk_coordinator::Statement;
use souk_merge::Value;
use souk_proto::{
    Reason,
    v1::{self, event_service_client::EventServiceClient},
};
use tokio::time::timeout;
use tonic::{Status, Streaming, transport::Channel};

use crate::cluster::{Cluster, order, quick, reason};

const PATIENCE: Duration = Duration::from_secs(20);

/// A subscription, with the last cursor that it gave.
struct Subscription {
    stream: Streaming<v1::SubscribeResponse>,
    cursor: String,
}

impl Cluster {
    fn events_client(&self) -> EventServiceClient<Channel> {
        EventServiceClient::new(self.channel())
    }

    async fn subscribe(&self, request: v1::SubscribeRequest) -> Result<Subscription, Status> {
        let stream = self.events_client().subscribe(request).await?.into_inner();
        Ok(Subscription { stream, cursor: String::new() })
    }

    /// A subscription that listens.
    async fn listening(&self, request: v1::SubscribeRequest) -> Subscription {
        let mut subscription = self.subscribe(request).await.unwrap();
        while subscription.cursor.is_empty() {
            assert!(subscription.next().await.unwrap().is_none(), "nothing was missed");
        }
        subscription
    }

    async fn publish(&self, vendor: &str, id: &str, kind: &str, data: &str) -> Result<v1::Event, Status> {
        let request = v1::PublishRequest {
            vendor_id: vendor.into(),
            id: id.into(),
            kind: kind.into(),
            customer: String::new(),
            data: data.into(),
        };
        self.events_client().publish(request).await.map(tonic::Response::into_inner)
    }
}

impl Subscription {
    /// The next response; none for one that only has a cursor.
    async fn next(&mut self) -> Result<Option<v1::Event>, Status> {
        let response = timeout(PATIENCE, self.stream.message()).await.expect("a response in time")?;
        let v1::SubscribeResponse { event, cursor } = response.expect("it goes on");
        if !cursor.is_empty() {
            self.cursor = cursor;
        }
        Ok(event)
    }

    async fn event(&mut self) -> v1::Event {
        loop {
            if let Some(event) = self.next().await.unwrap() {
                return event;
            }
        }
    }

    async fn events(&mut self, count: usize) -> Vec<v1::Event> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.event().await);
        }
        events
    }
}

fn of(patterns: &[&str]) -> v1::SubscribeRequest {
    v1::SubscribeRequest { patterns: patterns.iter().map(|word| (*word).to_owned()).collect(), ..Default::default() }
}

/// Numbers of each vendor, in the order in which they came.
fn by_vendor(events: &[v1::Event]) -> BTreeMap<&str, Vec<i64>> {
    let mut all: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    events.iter().for_each(|event| all.entry(&event.vendor_id).or_default().push(event.seq));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_in_order_and_a_cursor_goes_on_behind_them() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &["a"], 100, 5).await;
    let mut all = cluster.listening(of(&[])).await;
    let mut low = cluster.listening(of(&["inventory.*"])).await;
    let mut bob = cluster.listening(v1::SubscribeRequest { customer: "bob".into(), ..Default::default() }).await;
    let mut second = cluster.listening(v1::SubscribeRequest { vendor_id: "v2".into(), ..Default::default() }).await;
    let first_cursor = all.cursor.clone();
    for (key, customer, lines) in [
        ("1", "ada", &[("v1", "a", 2)][..]),
        ("2", "bob", &[("v1", "a", 1), ("v2", "a", 2)][..]),
        ("3", "ada", &[("v2", "a", 1)][..]),
    ] {
        let request = v1::PlaceOrderRequest { customer: customer.into(), ..order(key, "ok", lines) };
        assert_eq!(cluster.place(request).await.unwrap().order.unwrap().state, "placed");
    }
    // Two of v1, whose stock is low then, and two of v2, whose stock is.
    let told = all.events(6).await;
    assert_eq!(by_vendor(&told), BTreeMap::from([("v1", vec![2, 3, 4]), ("v2", vec![2, 3, 4])]), "{told:?}");
    let low_events = low.events(2).await;
    assert!(
        low_events.iter().all(|event| event.kind == "inventory.low" && event.data.contains("\"stock\":2")),
        "{low_events:?}"
    );
    assert_eq!(bob.events(2).await.len(), 2);
    assert!(second.events(3).await.iter().all(|event| event.vendor_id == "v2"));
    drop((low, bob, second));

    // What came since a cursor comes again, and then what is new.
    let resume = |cursor: &str| v1::SubscribeRequest { cursor: cursor.to_owned(), ..of(&[]) };
    let mut again = cluster.subscribe(resume(&first_cursor)).await.unwrap();
    assert_eq!(by_vendor(&again.events(6).await), by_vendor(&told));
    while all.cursor == first_cursor {
        assert!(all.next().await.unwrap().is_none());
    }
    let cursor = all.cursor.clone();
    drop((all, again));
    // Nobody listens now.
    tokio::time::sleep(Duration::from_millis(200)).await;
    cluster.publish("v1", "mine", "app.thought", "{}").await.unwrap();
    let mut later = cluster.subscribe(resume(&cursor)).await.unwrap();
    // The cursor may be that of an earlier moment: what was seen then comes again.
    let mut fresh = async || loop {
        let event = later.event().await;
        if !told.contains(&event) {
            return event;
        }
    };
    let event = fresh().await;
    assert_eq!((event.kind.as_str(), event.seq), ("app.thought", 5));
    cluster.publish("v2", "mine too", "app.thought", "{}").await.unwrap();
    assert_eq!(fresh().await.vendor_id, "v2");
    // A vendor that came later is read from its beginning.
    cluster.open_shops(&["v3"], &[], 1, 1).await;
    let event = fresh().await;
    assert_eq!(event.kind, "vendor.created", "{event:?} after {told:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_missed_much_is_told_on_the_way_how_far_it_is() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &[], 1, 1).await;
    let old = cluster.listening(of(&[])).await.cursor;
    // Each vendor's first event is that it was made.
    for (vendor, last) in [("v1", 901), ("v2", 701)] {
        for from in (2..=last).step_by(350) {
            let rows = (from..from + 350).map(|seq| format!("('{vendor}','{seq}',{seq},'app.x','',0,'')"));
            let rows: Vec<String> = rows.take((last - from + 1).min(350) as usize).collect();
            let insert =
                format!("INSERT INTO events(vendor_id,id,seq,kind,customer,at_ms,data) VALUES {}", rows.join(","));
            cluster.database.execute(Statement::new(insert, [])).await.unwrap();
        }
    }
    let mut heard: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let (mut cursor, mut cut_off) = (old, 0);
    while heard.values().map(Vec::len).sum::<usize>() < 1600 {
        let mut read = cluster.subscribe(v1::SubscribeRequest { cursor: cursor.clone(), ..of(&[]) }).await.unwrap();
        while read.cursor.is_empty() {
            if let Some(event) = read.next().await.unwrap() {
                heard.entry(event.vendor_id).or_default().push(event.seq);
            }
        }
        cursor = read.cursor;
        cut_off += 1;
    }
    assert!(cut_off > 2, "it got on though it was cut off at each cursor");
    assert_eq!(heard["v1"], (2..=901).collect::<Vec<_>>());
    assert_eq!(heard["v2"], (2..=701).collect::<Vec<_>>());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_away_silences_only_its_own_vendors() {
    let mut cluster = Cluster::start(quick()).await;
    let vendors = ["v1", "v2", "v3", "v4"];
    cluster.open_shops(&vendors, &[], 1, 1).await;
    let node_of = |cluster: &Cluster, vendor: &str| cluster.node_with("vendors", &format!("vendor_id = '{vendor}'"));
    let away = node_of(&cluster, "v1");
    let other = vendors.into_iter().find(|vendor| node_of(&cluster, vendor) != away).unwrap();
    let mut subscription = cluster.listening(of(&[])).await;
    cluster.stop_node(away);
    cluster.publish(other, "here", "app.x", "{}").await.unwrap();
    assert_eq!(subscription.event().await.vendor_id, other);
    cluster.start_node_again(away).await;
    let mut published = cluster.publish("v1", "back", "app.x", "{}").await;
    while published.is_err() {
        published = cluster.publish("v1", "back", "app.x", "{}").await;
    }
    assert_eq!(subscription.event().await.vendor_id, "v1");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_too_old_or_too_new_is_refused() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &[], 1, 1).await;
    let old = cluster.listening(of(&[])).await.cursor;
    for number in 0..5 {
        cluster.publish("v1", &number.to_string(), "app.x", "{}").await.unwrap();
    }
    let mut read = cluster.subscribe(v1::SubscribeRequest { cursor: old.clone(), ..of(&[]) }).await.unwrap();
    read.events(5).await;
    read.cursor.clear();
    while read.cursor.is_empty() {
        assert!(read.next().await.unwrap().is_none());
    }
    let new = read.cursor.clone();
    drop(read);
    let execute = async |sql: &str| cluster.database.execute(Statement::new(sql, [])).await.unwrap().rows_affected;
    assert_eq!(execute("DELETE FROM events WHERE vendor_id = 'v1' AND seq < 4").await, 3);
    let resume = async |cursor: &str, vendor: &str| {
        let request = v1::SubscribeRequest { cursor: cursor.into(), vendor_id: vendor.into(), ..Default::default() };
        match cluster.subscribe(request).await {
            Ok(mut subscription) => subscription.next().await.map(|_| ()),
            Err(status) => Err(status),
        }
    };
    assert_eq!(reason(&resume(&old, "").await.unwrap_err()), Reason::OutOfRange);
    assert!(resume(&old, "v2").await.is_ok(), "of the other vendor nothing is missing");
    assert!(resume(&new, "").await.is_ok());
    // As if a vendor's database were an older one.
    assert_eq!(execute("DELETE FROM events WHERE vendor_id = 'v1' AND seq > 4").await, 2);
    let mut late = Reason::Internal;
    for _ in 0..100 {
        // The hub that ran for the last one stops when it sees that nobody is there.
        match resume(&new, "").await {
            Ok(()) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(status) => {
                late = reason(&status);
                break;
            }
        }
    }
    assert_eq!(late, Reason::OutOfRange);
    for cursor in ["zzz", "AAAA"] {
        assert_eq!(reason(&resume(cursor, "").await.unwrap_err()), Reason::InvalidArgument);
    }
    let unknown = cluster.subscribe(of(&["order*"])).await;
    assert_eq!(reason(&unwrap_status(unknown)), Reason::InvalidArgument);
    cluster.stop().await;
}

fn unwrap_status(subscribed: Result<Subscription, Status>) -> Status {
    match subscribed {
        Ok(_) => panic!("it was taken"),
        Err(status) => status,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_is_told_that_a_vendor_was_set_back() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &[], 1, 1).await;
    for number in 0..5 {
        cluster.publish("v1", &number.to_string(), "app.x", "{}").await.unwrap();
    }
    let mut all = cluster.listening(of(&[])).await;
    let mut other = cluster.listening(v1::SubscribeRequest { vendor_id: "v2".into(), ..Default::default() }).await;
    let delete = Statement::new("DELETE FROM events WHERE vendor_id = 'v1' AND seq > 3", []);
    cluster.database.execute(delete).await.unwrap();
    let ended = loop {
        match all.next().await {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&ended), Reason::OutOfRange);
    cluster.publish("v2", "x", "app.x", "{}").await.unwrap();
    assert_eq!(other.event().await.vendor_id, "v2", "who listens to another does not notice");
    // From now on there are new ones.
    let mut again = cluster.listening(of(&[])).await;
    cluster.publish("v1", "new", "app.x", "{}").await.unwrap();
    assert_eq!(again.event().await.seq, 4);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_dropped_and_others_do_not_notice() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1"], &[], 1, 1).await;
    let mut idle = cluster.listening(of(&[])).await;
    let mut busy = cluster.listening(of(&[])).await;
    let data = serde_json::json!("x".repeat(16_000)).to_string();
    const COUNT: usize = 300;
    let publish = async {
        for number in 0..COUNT {
            cluster.publish("v1", &number.to_string(), "app.large", &data).await.unwrap();
        }
    };
    let ((), read) = tokio::join!(publish, busy.events(COUNT));
    assert_eq!(by_vendor(&read)["v1"], (2..2 + COUNT as i64).collect::<Vec<_>>());
    let mut came = 0;
    let dropped = loop {
        match idle.next().await {
            Ok(event) => came += usize::from(event.is_some()),
            Err(status) => break status,
        }
    };
    assert_eq!(reason(&dropped), Reason::Overloaded);
    assert!(came < COUNT, "{came}");
    // It goes on where it was.
    let mut again = cluster.subscribe(v1::SubscribeRequest { cursor: idle.cursor, ..of(&[]) }).await.unwrap();
    let rest = again.events(1).await;
    assert!(rest[0].seq as usize <= came + 2, "no gap: {} after {came}", rest[0].seq);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_publish_once_for_each_id() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1"], &["a"], 1, 9).await;
    let event = cluster.publish("v1", "x", "app.note", "{\"a\":1}").await.unwrap();
    assert_eq!(cluster.publish("v1", "x", "app.note", "{\"a\":1}").await.unwrap(), event);
    let refused = [
        ("v1", "x", "app.note", "{}", Reason::AlreadyExists),
        ("v9", "x", "app.note", "{}", Reason::NotFound),
        ("v1", "y", "order.placed", "{}", Reason::InvalidArgument),
        ("v1", "order.placed/1", "app.note", "{}", Reason::InvalidArgument),
        ("v1", "y", "App", "{}", Reason::InvalidArgument),
        ("v1", "y", "app.note", "{", Reason::InvalidArgument),
        ("v1", "", "app.note", "{}", Reason::InvalidArgument),
    ];
    for (vendor, id, kind, data, why) in refused {
        assert_eq!(
            reason(&cluster.publish(vendor, id, kind, data).await.unwrap_err()),
            why,
            "{vendor} {id} {kind} {data}"
        );
    }
    // At the same time each takes a number of its own.
    let all = (0..20).map(|number| {
        let cluster = &cluster;
        async move { cluster.publish("v1", &format!("at once {number}"), "app.note", "{}").await.unwrap().seq }
    });
    let mut numbers = futures::future::join_all(all).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (3..23).collect::<Vec<i64>>());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_queries_tell_when_their_rows_are_others() {
    let cluster = Cluster::start(quick()).await;
    cluster.open_shops(&["v1", "v2"], &["a", "b"], 100, 5).await;
    let watch = async |sql: &str, parameters: Vec<Value>| {
        let parameter = |value: &Value| v1::Parameter { name: String::new(), value: Some(value.into()) };
        let request = v1::WatchRequest { sql: sql.into(), parameters: parameters.iter().map(parameter).collect() };
        cluster.events_client().watch(request).await.unwrap().into_inner()
    };
    let next = async |stream: &mut Streaming<v1::WatchResponse>| {
        let told = timeout(PATIENCE, stream.message()).await.expect("a version in time").unwrap().unwrap();
        (told.version, told.rows.unwrap().rows.len())
    };
    let mut of_ada = watch("SELECT id, status FROM orders WHERE customer = ?", vec![Value::text("ada")]).await;
    let mut low =
        watch("SELECT vendor_id, sku, stock FROM products WHERE stock <= low_stock ORDER BY 1, 2", vec![]).await;
    let mut last = watch("SELECT * FROM orders ORDER BY placed DESC, id DESC LIMIT 20", vec![]).await;
    for stream in [&mut of_ada, &mut low, &mut last] {
        assert_eq!(next(stream).await, (1, 0));
    }
    cluster.place(order("1", "ok", &[("v1", "a", 1)])).await.unwrap();
    assert_eq!(next(&mut of_ada).await, (2, 1));
    assert_eq!(next(&mut last).await, (2, 1));
    let bob = v1::PlaceOrderRequest { customer: "bob".into(), ..order("2", "ok", &[("v2", "b", 4)]) };
    cluster.place(bob).await.unwrap();
    // Told for the first time since it began: nothing was low before.
    assert_eq!(next(&mut low).await, (2, 1));
    assert_eq!(next(&mut last).await, (3, 2));
    assert!(timeout(Duration::from_millis(300), of_ada.message()).await.is_err(), "nothing of hers has changed");
    let wrong = v1::WatchRequest { sql: "SELECT * FROM nothing".into(), ..Default::default() };
    assert!(cluster.events_client().watch(wrong).await.is_err());
    cluster.stop().await;
}
