//! The world: edges, a row, a topic, and everything between them that may go wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use edge_data::lease::{Answer, Claimant, Lease, Question, Tenant, Terms, answer_of};
use edge_simulation::{Agenda, Dice};
use edge_streams::{Chain, Follower, OPENED, Verdict};
use petwalker_journal::{Envelope, Position, RecordDigest, digest};

const EDGES: usize = 3;
const TERM: Duration = Duration::from_secs(5);
/// Faults happen for so long; then the world heals.
const FAULTS: Duration = Duration::from_secs(40);
const HEALED: Duration = Duration::from_secs(80);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Wake { edge: usize, life: u64 },
    AtRow { edge: usize, life: u64, number: u64 },
    FromRow { edge: usize, life: u64, number: u64 },
    AtTopic { edge: usize, life: u64, number: u64 },
    FromTopic { edge: usize, life: u64, number: u64 },
    Crash { edge: usize },
    Pause { edge: usize },
    HandOver { edge: usize, heir: usize },
}

/// A region while an edge owns it.
struct Owned {
    epoch: u64,
    /// Up to which event the topic is known to hold this edge's log; none before it was asked.
    published: Option<usize>,
    /// An append under way, and when it is given up.
    appending: Option<Duration>,
    /// What clients wait for: the event and its name.
    waiting: Vec<(usize, u64)>,
}

struct Edge {
    tenant: Tenant,
    life: u64,
    paused_until: Duration,
    /// On its disk.
    log: Vec<Vec<u8>>,
    /// Where it reads the topic.
    place: usize,
    owned: Option<Owned>,
    /// Its file left the owner's log and is to be made anew.
    anew: bool,
}

pub(crate) struct World {
    seed: u64,
    dice: Dice,
    agenda: Agenda<Event>,
    /// Numbers given to questions and appends.
    count: u64,
    edges: Vec<Edge>,
    row: Option<Lease>,
    questions: BTreeMap<u64, (Question, Option<Answer>)>,
    appends: BTreeMap<u64, (u64, usize, Vec<Vec<u8>>)>,
    topic: Vec<Vec<u8>>,
    next_name: u64,
    pub(crate) acknowledged: BTreeSet<u64>,
}

fn name(edge: usize) -> String {
    format!("edge-{edge}")
}

fn claimant(edge: usize) -> Claimant {
    Claimant { name: name(edge), topic: "topic".to_owned() }
}

fn terms(edge: usize) -> Terms {
    Terms {
        term: TERM,
        margin: Duration::from_millis(200),
        patience: Duration::from_millis(300 * edge as u64),
    }
}

fn seq_of(log: &[Vec<u8>]) -> usize {
    log.len()
}

fn decode(record: &[u8]) -> Envelope {
    Envelope::decode(record).expect("a record")
}

fn position(log: &[Vec<u8>]) -> Position {
    log.last().map_or(Position::START, |last| {
        let envelope = decode(last);
        Position { seq: envelope.seq, digest: digest(last), epoch: envelope.epoch }
    })
}

/// Appends an event; `published` is what an epoch begins with: up to where the topic holds the log.
fn write(log: &mut Vec<Vec<u8>>, epoch: u64, event_type: &str, name: u64, published: usize) {
    let at = position(log);
    let envelope = Envelope {
        event_id: name.to_string(),
        event_type: event_type.to_owned(),
        stream_id: "thing".to_owned(),
        version: 1,
        region: "here".to_owned(),
        epoch,
        seq: at.seq + 1,
        previous: if at.seq == 0 { RecordDigest::GENESIS } else { at.digest },
        at_ms: i64::try_from(published).expect("small"),
        schema: 1,
        payload: vec![],
        command: None,
    };
    log.push(envelope.encode().expect("encodes"));
}

/// From where an edge reads the topic: before what may never have come into it.
fn start(log: &[Vec<u8>], topic: &[Vec<u8>]) -> usize {
    let opened = log.iter().map(|record| decode(record)).rfind(|record| record.event_type == OPENED);
    let published = opened.map_or(log.len(), |opened| usize::try_from(opened.at_ms).expect("small"));
    published.min(topic.len())
}

/// Up to where a topic holds a log, at least.
fn published(log: &[Vec<u8>], topic: &[Vec<u8>]) -> usize {
    let own = |record: &Vec<u8>| {
        let seq = usize::try_from(decode(record).seq).expect("small");
        (log.get(seq - 1) == Some(record)).then_some(seq)
    };
    topic.iter().rev().find_map(own).unwrap_or(0)
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let edges = (0..EDGES)
            .map(|edge| Edge {
                tenant: Tenant::new(claimant(edge), terms(edge), Duration::ZERO),
                life: 0,
                paused_until: Duration::ZERO,
                log: Vec::new(),
                place: 0,
                owned: None,
                anew: false,
            })
            .collect();
        let mut world = Self {
            seed,
            dice: Dice::new(seed),
            agenda: Agenda::default(),
            count: 0,
            edges,
            row: None,
            questions: BTreeMap::new(),
            appends: BTreeMap::new(),
            topic: Vec::new(),
            next_name: 0,
            acknowledged: BTreeSet::new(),
        };
        for edge in 0..EDGES {
            world.after(Duration::ZERO, Event::Wake { edge, life: 0 });
        }
        for _ in 0..world.dice.below(8) {
            let at = world.dice.millis(40_000);
            let edge = world.dice.pick(EDGES);
            let event = match world.dice.below(3) {
                0 => Event::Crash { edge },
                1 => Event::Pause { edge },
                _ => Event::HandOver { edge, heir: (edge + 1) % EDGES },
            };
            world.after(at, event);
        }
        world
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.agenda.after(delay, event);
    }

    /// Mostly a few milliseconds, sometimes seconds; none: lost.
    fn delay(&mut self) -> Option<Duration> {
        let troubled = self.agenda.now() < FAULTS;
        if troubled && self.dice.chance(6) {
            return None;
        }
        let longest = if troubled && self.dice.chance(5) { 9_000 } else { 30 };
        Some(Duration::from_millis(1 + self.dice.below(longest)))
    }

    /// Lets the world run, and judges what came of it.
    pub(crate) fn run(&mut self) {
        while let Some(event) = self.agenda.next(HEALED) {
            self.happen(event);
        }
        self.judge();
    }

    fn paused(&mut self, edge: usize, event: Event) -> bool {
        let left = self.edges[edge].paused_until.saturating_sub(self.agenda.now());
        if left > Duration::ZERO {
            self.after(left, event);
        }
        left > Duration::ZERO
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake { edge, life } if self.edges[edge].life == life => {
                if self.paused(edge, event) {
                    return;
                }
                self.step(edge, life);
                let again = Duration::from_millis(40 + self.dice.below(120));
                self.after(again, Event::Wake { edge, life });
            }
            Event::AtRow { edge, life, number } => {
                let Some((question, answer)) = self.questions.get_mut(&number) else { return };
                *answer = Some(answer_of(&mut self.row, &claimant(edge), &question.ask));
                if let Some(delay) = self.delay() {
                    self.after(delay, Event::FromRow { edge, life, number });
                }
            }
            Event::FromRow { edge, life, number } if self.edges[edge].life == life => {
                if self.paused(edge, event) {
                    return;
                }
                if let Some((question, Some(answer))) = self.questions.remove(&number) {
                    self.edges[edge].tenant.answered(&question, answer, self.agenda.now());
                }
            }
            Event::AtTopic { edge, life, number } => {
                let Some((_, _, records)) = self.appends.get(&number) else { return };
                self.topic.extend(records.iter().cloned());
                if let Some(delay) = self.delay() {
                    self.after(delay, Event::FromTopic { edge, life, number });
                }
            }
            Event::FromTopic { edge, life, number } if self.edges[edge].life == life => {
                if self.paused(edge, event) {
                    return;
                }
                self.appended(edge, number);
            }
            // Of a process that is no more.
            Event::Wake { .. } | Event::FromRow { .. } | Event::FromTopic { .. } => {}
            Event::Crash { edge } => {
                let life = self.edges[edge].life + 1;
                let tenant = Tenant::new(claimant(edge), terms(edge), self.agenda.now());
                let place = start(&self.edges[edge].log, &self.topic);
                let edge_state = &mut self.edges[edge];
                (edge_state.life, edge_state.tenant, edge_state.owned, edge_state.place) =
                    (life, tenant, None, place);
                let down = self.dice.millis(15_000);
                self.after(down, Event::Wake { edge, life });
            }
            Event::Pause { edge } => {
                let pause = self.dice.millis(20_000);
                self.edges[edge].paused_until = self.agenda.now() + pause;
            }
            Event::HandOver { edge, heir } => {
                if self.edges[edge].paused_until <= self.agenda.now() {
                    // It stops writing before it gives the lease back.
                    self.edges[edge].tenant.leave(&name(heir), self.agenda.now());
                }
            }
        }
    }

    /// What an edge does when it gets to run.
    fn step(&mut self, edge: usize, life: u64) {
        if let Some(question) = self.edges[edge].tenant.ask(self.agenda.now()) {
            self.count += 1;
            let number = self.count;
            self.questions.insert(number, (question, None));
            if let Some(delay) = self.delay() {
                self.after(delay, Event::AtRow { edge, life, number });
            }
        }
        let tenure = self.edges[edge].tenant.tenure(self.agenda.now()).map(|tenure| tenure.epoch);
        let epoch = self.edges[edge].owned.as_ref().map(|owned| owned.epoch);
        if epoch.is_some() && epoch != tenure {
            self.edges[edge].owned = None;
            self.edges[edge].place = start(&self.edges[edge].log, &self.topic);
        }
        match tenure {
            Some(epoch) if self.edges[edge].owned.is_none() => self.take_over(edge, epoch),
            Some(_) => self.work(edge, life),
            None => {
                let count = usize::try_from(self.dice.below(6)).expect("small");
                self.follow(edge, count);
                self.make_anew(edge);
            }
        }
    }

    /// Reads on in the topic.
    fn follow(&mut self, edge: usize, count: usize) {
        let donor = self
            .owner()
            .filter(|owner| *owner != edge)
            .map(|owner| std::mem::take(&mut self.edges[owner].log));
        self.read_on(edge, count, donor.as_deref());
        if let (Some(owner), Some(log)) = (self.owner(), donor) {
            self.edges[owner].log = log;
        }
    }

    fn read_on(&mut self, edge: usize, count: usize, donor: Option<&[Vec<u8>]>) {
        let (edge, topic) = (&mut self.edges[edge], &self.topic);
        if edge.place >= topic.len() {
            return;
        }
        let mut follower = Follower::at(position(&edge.log));
        for _ in 0..count {
            let Some(record) = topic.get(edge.place).filter(|_| !edge.anew) else { return };
            match follower.judge(record).expect("a record") {
                Verdict::Next => edge.log.push(record.clone()),
                Verdict::Repeated | Verdict::Stale => {}
                Verdict::Fork { .. } => edge.anew = true,
                Verdict::Gap { expected, found } => {
                    // Missing ones are the owner's to tell.
                    let newer = decode(record).epoch > position(&edge.log).epoch;
                    let Some(donor) = donor else {
                        edge.anew = newer;
                        return;
                    };
                    let (from, to) = (
                        usize::try_from(expected - 1).expect("small"),
                        usize::try_from(found - 1).expect("small"),
                    );
                    for record in donor.get(from..to).unwrap_or_default() {
                        match follower.judge(record).expect("a record") {
                            Verdict::Next => edge.log.push(record.clone()),
                            _ => edge.anew |= newer,
                        }
                    }
                    return;
                }
            }
            edge.place += 1;
        }
    }

    /// The edge that answers for the region now.
    fn owner(&self) -> Option<usize> {
        (0..EDGES).find(|&edge| {
            self.edges[edge].owned.is_some() && self.edges[edge].tenant.tenure(self.agenda.now()).is_some()
        })
    }

    /// A file that left the owner's log is made anew: from the owner's, or from the topic.
    fn make_anew(&mut self, edge: usize) {
        if !self.edges[edge].anew {
            return;
        }
        let owner = self
            .owner()
            .filter(|owner| *owner != edge && self.edges[*owner].paused_until <= self.agenda.now());
        self.edges[edge].log = match owner {
            Some(owner) => self.edges[owner].log.clone(),
            None => {
                let told = self.told_by_the_topic();
                if position(&told).epoch <= position(&self.edges[edge].log).epoch {
                    // The topic lost records: whoever owns the region has them.
                    return;
                }
                told
            }
        };
        self.edges[edge].place = start(&self.edges[edge].log, &self.topic);
        self.edges[edge].anew = false;
    }

    fn told_by_the_topic(&self) -> Vec<Vec<u8>> {
        let mut chain = Chain::after(Position::START);
        for (place, record) in (0..).zip(&self.topic) {
            chain.add(place, record).expect("a record");
        }
        chain
            .log()
            .places
            .iter()
            .map(|place| self.topic[usize::try_from(*place).expect("small")].clone())
            .collect()
    }

    /// The topic is read to its end; then an epoch begins.
    fn take_over(&mut self, edge: usize, epoch: u64) {
        self.follow(edge, usize::MAX >> 1);
        self.make_anew(edge);
        self.follow(edge, usize::MAX >> 1);
        if self.edges[edge].anew || self.edges[edge].place < self.topic.len() {
            // Events are missing: it is tried again.
            return;
        }
        self.next_name += 1;
        let opened = self.next_name;
        let topic = &self.topic;
        let edge = &mut self.edges[edge];
        let published = published(&edge.log, topic);
        write(&mut edge.log, epoch, OPENED, opened, published);
        edge.owned = Some(Owned { epoch, published: None, appending: None, waiting: Vec::new() });
    }

    /// An owner writes, and publishes what it wrote.
    fn work(&mut self, edge: usize, life: u64) {
        let writes = self.agenda.now() < FAULTS && self.dice.chance(40);
        self.next_name += u64::from(writes);
        let (name, now) = (self.next_name, self.agenda.now());
        let state = &mut self.edges[edge];
        let Some(owned) = &mut state.owned else { return };
        if writes {
            write(&mut state.log, owned.epoch, "thing.happened", name, 0);
            owned.waiting.push((seq_of(&state.log), name));
        }
        if owned.appending.is_some_and(|until| now < until) {
            return;
        }
        if owned.appending.take().is_some() {
            // Nobody answered: how far the topic is, it says itself.
            owned.published = None;
        }
        let topic = &self.topic;
        let published = owned.published.unwrap_or_else(|| published(&state.log, topic));
        owned.published = Some(published);
        let records: Vec<_> = state.log[published..].iter().take(20).cloned().collect();
        if records.is_empty() {
            return;
        }
        owned.appending = Some(now + Duration::from_secs(5));
        let (epoch, upto) = (owned.epoch, published + records.len());
        self.count += 1;
        let number = self.count;
        self.appends.insert(number, (epoch, upto, records));
        if let Some(delay) = self.delay() {
            self.after(delay, Event::AtTopic { edge, life, number });
        }
    }

    /// The topic has it: clients are told, while the lease lasts.
    fn appended(&mut self, edge: usize, number: u64) {
        let Some((epoch, upto, _)) = self.appends.remove(&number) else { return };
        let valid =
            self.edges[edge].tenant.tenure(self.agenda.now()).is_some_and(|tenure| tenure.epoch == epoch);
        let Some(owned) = self.edges[edge].owned.as_mut().filter(|owned| owned.epoch == epoch && valid)
        else {
            return;
        };
        owned.appending = None;
        owned.published = owned.published.map(|published| published.max(upto));
        let (told, waiting) = owned.waiting.drain(..).partition(|(seq, _)| *seq <= upto);
        owned.waiting = waiting;
        let told: Vec<(usize, u64)> = told;
        self.acknowledged.extend(told.into_iter().map(|(_, name)| name));
    }

    /// The world has healed: everybody holds the same, all that was acknowledged among it, each once.
    fn judge(&self) {
        let seed = self.seed;
        let owner = self.owner().unwrap_or_else(|| panic!("seed {seed}: nobody owns the region"));
        let log = &self.edges[owner].log;
        let mut names = BTreeSet::new();
        for record in log {
            let envelope = decode(record);
            assert!(
                names.insert(envelope.event_id.clone()),
                "seed {seed}: event {} stands twice",
                envelope.event_id
            );
        }
        for name in &self.acknowledged {
            assert!(names.contains(&name.to_string()), "seed {seed}: acknowledged event {name} is lost");
        }
        for (index, edge) in self.edges.iter().enumerate() {
            assert!(
                edge.log == *log,
                "seed {seed}: edge {index} holds {} events, the owner {}",
                edge.log.len(),
                log.len()
            );
        }
        assert!(self.told_by_the_topic() == *log, "seed {seed}: the topic does not tell the log");
    }
}
