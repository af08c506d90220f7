//! The rule of one edge and one region's lease.

use std::time::Duration;

use super::{Claimant, Lease};

/// A point on an edge's own monotonic clock.
type Instant = Duration;

/// How leases run.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long a lease lasts from its last renewal.
    pub term: Duration,
    /// What others wait on top of it: for clocks that run at different speeds.
    pub margin: Duration,
    /// What this edge waits on top of that, so that one before it in the order of preference comes first.
    pub patience: Duration,
}

impl Terms {
    /// Between two renewals.
    fn renew_every(&self) -> Duration {
        self.term / 4
    }

    /// Between two looks at somebody else's lease.
    fn look_every(&self) -> Duration {
        self.term / 10
    }

    /// How long a lease must stay as it is before it is taken from its holder.
    fn abandoned_after(&self) -> Duration {
        self.term + self.margin + self.patience
    }
}

/// What to ask of the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What it holds.
    Look,
    /// Take it, if it still is as it was seen; none for a row that is not there yet.
    Take {
        /// As it was seen.
        seen: Option<Lease>,
    },
    /// Keep it for another term, if it still is ours.
    Renew {
        /// Our epoch.
        epoch: u64,
    },
    /// Give it back, if it still is ours.
    Release {
        /// Our epoch.
        epoch: u64,
        /// Who alone may take it at once; empty for anybody.
        heir: String,
    },
}

/// One time of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    number: u64,
    /// What to ask.
    pub ask: Ask,
    /// When it was asked, by our clock.
    pub sent: Duration,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The row; none where there is none.
    Found(Option<Lease>),
    /// It was written; our epoch.
    Written(u64),
    /// It was not as it should be: nothing was written.
    Refused,
    /// Nobody knows: the request or its answer was lost.
    Lost,
}

/// Where an edge stands with a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Somebody else's, nobody's, or not known.
    Watching {
        /// The row, and since when it has been so, by our clock.
        seen: Option<(Option<Lease>, Instant)>,
    },
    /// Ours.
    Holding {
        epoch: u64,
        /// Until when, by our clock.
        until: Instant,
        /// Being given back, to whom.
        leaving: Option<String>,
    },
}

/// That the lease is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Our epoch.
    pub epoch: u64,
    /// Until when, by our clock. From then on nothing may be written.
    pub until: Duration,
}

/// One edge and one region's lease.
#[derive(Clone, Debug)]
pub struct Tenant {
    me: Claimant,
    terms: Terms,
    state: State,
    next_at: Instant,
    /// Number of the last question. Answers to earlier ones come too late to be of use.
    asked: u64,
    /// Until when it promised not to take the lease.
    promised_until: Instant,
}

impl Tenant {
    /// An edge that nobody else is.
    #[must_use]
    pub const fn new(me: Claimant, terms: Terms, now: Duration) -> Self {
        Self {
            me,
            terms,
            state: State::Watching { seen: None },
            next_at: now,
            asked: 0,
            promised_until: Duration::ZERO,
        }
    }

    /// The lease, while it is ours and not being given back.
    #[must_use]
    pub fn tenure(&self, now: Duration) -> Option<Tenure> {
        match self.state {
            State::Holding { epoch, until, leaving: None } if now < until => Some(Tenure { epoch, until }),
            _ => None,
        }
    }

    /// Who holds it as far as this edge knows.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        match &self.state {
            State::Holding { .. } => Some(&self.me.name),
            State::Watching { seen: Some((Some(lease), _)) } => Some(&lease.holder),
            State::Watching { .. } => None,
        }
    }

    /// Who holds the lease, or held it last, with another topic than this edge's: until it is taken by its holder again, or the
    /// topics are the same, this edge must not take it.
    #[must_use]
    pub fn barred_by(&self) -> Option<&Lease> {
        match &self.state {
            State::Watching { seen: Some((Some(lease), _)) } if self.is_barred(lease) => Some(lease),
            State::Watching { .. } | State::Holding { .. } => None,
        }
    }

    fn is_barred(&self, lease: &Lease) -> bool {
        lease.holder != self.me.name && !lease.topic.is_empty() && lease.topic != self.me.topic
    }

    /// The newest epoch this edge knows of.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        match &self.state {
            State::Holding { epoch, .. } => *epoch,
            State::Watching { seen: Some((Some(lease), _)) } => lease.epoch,
            State::Watching { .. } => 0,
        }
    }

    /// Stops writing from now on and gives the lease back, to `heir` or, where that is empty, to anybody. False: it is not
    /// ours.
    pub fn leave(&mut self, heir: &str, now: Duration) -> bool {
        match &mut self.state {
            State::Holding { leaving, .. } => {
                *leaving = Some(heir.to_owned());
                self.next_at = now;
                true
            }
            State::Watching { .. } => false,
        }
    }

    /// Looks at once at a lease that is somebody else's: it is said to have been given back.
    pub fn look(&mut self, now: Duration) {
        if matches!(self.state, State::Watching { .. }) {
            self.next_at = now;
        }
    }

    /// Promises the holder of that epoch to take the lease in no way for a whole wait from now. False: this edge holds it, or
    /// knows of a newer epoch.
    pub fn promise(&mut self, epoch: u64, now: Duration) -> bool {
        if matches!(self.state, State::Holding { .. }) || self.epoch() > epoch {
            return false;
        }
        self.promised_until = now + self.terms.abandoned_after();
        // The answer to what was asked before comes too late to be of use, should it be that the lease is taken.
        self.asked += 1;
        self.next_at = self.next_at.max(now + self.terms.look_every());
        true
    }

    /// Takes the promises of every other edge that may take the lease, which were asked for at that moment: it is this one's for
    /// another term from then.
    pub fn promised(&mut self, epoch: u64, asked: Duration) {
        let term = self.terms.term;
        if let State::Holding { epoch: ours, until, leaving: None } = &mut self.state
            && *ours == epoch
        {
            *until = (*until).max(asked + term);
        }
    }

    /// When there is something to ask next.
    #[must_use]
    pub const fn next_at(&self) -> Duration {
        self.next_at
    }

    /// What to ask now; none before [`Tenant::next_at`].
    pub fn ask(&mut self, now: Duration) -> Option<Question> {
        if now < self.next_at {
            return None;
        }
        // Where the answer is lost, the same again after the usual while.
        self.next_at = now + self.terms.look_every();
        if let State::Holding { until, .. } = self.state
            && now >= until
        {
            // Somebody may have it by now.
            self.state = State::Watching { seen: None };
        }
        let ask = match &self.state {
            State::Holding { epoch, leaving: Some(heir), .. } => {
                Ask::Release { epoch: *epoch, heir: heir.clone() }
            }
            State::Holding { epoch, leaving: None, .. } => Ask::Renew { epoch: *epoch },
            State::Watching { seen: Some((lease, since)) } if self.may_take(lease.as_ref(), *since, now) => {
                Ask::Take { seen: lease.clone() }
            }
            State::Watching { .. } => Ask::Look,
        };
        self.asked += 1;
        Some(Question { number: self.asked, ask, sent: now })
    }

    /// Whether a lease that has been so since then is there to be taken.
    fn may_take(&self, lease: Option<&Lease>, since: Instant, now: Instant) -> bool {
        if now < self.promised_until {
            return false;
        }
        let unchanged = now.saturating_sub(since);
        match lease {
            None => unchanged >= self.terms.patience,
            Some(lease) if self.is_barred(lease) => false,
            // Ours from before: whoever held it in our name is gone, since the name is the data folder's.
            Some(lease) if lease.holder == self.me.name && !lease.released => true,
            Some(lease) if lease.released && lease.heir == self.me.name => true,
            Some(lease) if lease.released && lease.heir.is_empty() => unchanged >= self.terms.patience,
            Some(_) => unchanged >= self.terms.abandoned_after(),
        }
    }

    /// Takes the answer to a question. Only the last one's counts: what an earlier one came to was superseded, and may have
    /// been lost to somebody else meanwhile.
    pub fn answered(&mut self, question: &Question, answer: Answer, now: Duration) {
        if question.number != self.asked {
            return;
        }
        let sent = question.sent;
        match (&question.ask, answer) {
            (_, Answer::Lost) => {}
            (Ask::Take { .. }, Answer::Written(epoch)) => {
                self.state = State::Holding { epoch, until: sent + self.terms.term, leaving: None };
                self.next_at = sent + self.terms.renew_every();
            }
            (Ask::Renew { epoch: asked }, Answer::Written(_)) => {
                if let State::Holding { epoch, until, leaving } = &mut self.state
                    && epoch == asked
                {
                    *until = sent + self.terms.term;
                    if leaving.is_none() {
                        self.next_at = sent + self.terms.renew_every();
                    }
                }
            }
            (Ask::Look, Answer::Found(found)) => self.saw(found, now),
            // It is somebody else's, or was given back: what it is now, a look tells.
            (Ask::Take { .. } | Ask::Renew { .. } | Ask::Release { .. }, _) => {
                self.state = State::Watching { seen: None };
                self.next_at = now;
            }
            (Ask::Look, Answer::Written(_) | Answer::Refused) => {}
        }
    }

    fn saw(&mut self, found: Option<Lease>, now: Instant) {
        let since = match &self.state {
            State::Watching { seen: Some((known, since)) } if *known == found => *since,
            State::Watching { .. } => now,
            State::Holding { .. } => return,
        };
        if self.may_take(found.as_ref(), since, now) {
            self.next_at = now;
        }
        self.state = State::Watching { seen: Some((found, since)) };
    }
}
