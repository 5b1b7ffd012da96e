//! A model check: a few sign-ins of one user, in every order in which calls may come, be repeated, be slow, die and lose their
//! answers, tokens be made, renewed and revoked, and time pass. What decides and what remembers is the code that is deployed:
//! [`Terms`] and [`Sessions`]. Around it stands what Cognito does, as far as it is known.
//!
//! What is taken for granted, and what it is worth:
//!
//! - A sign-in that is under way ends within a minute ([`MINUTE`]), with tokens or without. Cognito gives each call 5 s.
//! - The ledger writes over what was read or not at all; `ledger/contract.rs` holds every ledger to that.
//! - Nobody's clock is wrong.
//!
//! Going wrong is counted: a call that Cognito gives up on, whether it dies, is late or loses its answer, and tokens renewed in
//! a way that looks like a sign-in. [`Model::TROUBLES`] says how often.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use cognito_triggers::ledger::{Session, SessionId, SessionState, Sessions};
use jiff::{SignedDuration, Timestamp};
use stateright::{Checker, HasDiscoveries, Property};

use crate::places::{Admission, Keep, Per, Policy, SignIn, Terms};

/// Half a minute, in which time is counted here.
const TICK: SignedDuration = SignedDuration::from_secs(30);
/// What is under way may see one tick, not two.
const MINUTE: u8 = 2;
/// How long a refresh token lives: so short that it lapses and its place is taken again, or longer than the model runs.
const SHORT: u8 = 2;
const LONG: u8 = 9;
/// When the model stops.
const END: u8 = 4;

/// What is tried.
#[derive(Clone)]
struct Model {
    terms: Terms,
    max: usize,
    /// The app client of each sign-in.
    clients: &'static [&'static str],
    troubles: u8,
    /// How long a refresh token lives.
    validity: u8,
    /// Whether the user may sign out, here or everywhere, and `session-release` hears of it.
    releases: bool,
    flaw: Flaw,
}

/// A protocol that is simpler, and wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// Writes over whatever is there.
    Unconditional,
    /// Gives back the places of others, and signs them out afterwards.
    SignsOutAfterwards,
    /// Keeps a place for as long as the refresh token lives, to the second.
    NoMargin,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    sessions: Sessions,
    people: Vec<Person>,
    /// What `session-release` will hear of.
    news: Vec<News>,
    troubles: u8,
    /// Places that were kept, less tokens that were made: those kept for nobody.
    kept_in_vain: i8,
    /// Sessions that were signed out and whose places nobody could give back.
    nameless: u8,
    /// Whether the user signed out everywhere: once is enough.
    signed_out: bool,
    /// Sign-ins that were under way when the user signed out everywhere.
    overlooked: u8,
}

/// One sign-in, as Cognito sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Person {
    stage: Stage,
    since: u8,
    /// How often Cognito called in this stage.
    called: u8,
    calls: Vec<Call>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
enum Stage {
    #[default]
    ToCome,
    Authentication,
    Tokens,
    Live {
        until: u8,
        id: Option<SessionId>,
    },
    /// Refused, failed, lapsed or signed out.
    Over,
}

/// One call of the function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Call {
    number: u8,
    for_tokens: bool,
    step: Step,
    /// Whether Cognito still waits for it.
    awaited: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// About to sign the user out; then what was read may have moved.
    SigningOut {
        at: u8,
        wish: Sessions,
        moved: bool,
        is_written: bool,
    },
    Writing {
        at: u8,
        wish: Sessions,
        moved: bool,
        signs_out_afterwards: bool,
        keeps: Option<SessionId>,
    },
    Answered(Answer),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Continue(Option<SessionId>),
    Denied,
    Fault,
}

/// What `session-release` is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum News {
    SignedOut(SessionId),
    SignedOutEverywhere(u8),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Begin(usize),
    Step(usize, usize),
    SigningOutFails(usize, usize),
    Dies(usize, usize),
    Receive(usize),
    CallAgain(usize),
    GiveUp(usize),
    MakeTokens(usize),
    Renew(usize),
    SignOut(usize),
    SignOutEverywhere,
    /// News may come twice.
    Hear {
        which: usize,
        again: bool,
    },
    Tick,
}

fn time(ticks: u8) -> Timestamp {
    Timestamp::UNIX_EPOCH + TICK * i32::from(ticks)
}

impl Person {
    fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::Authentication | Stage::Tokens) || !self.calls.is_empty()
    }

    fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live { .. })
    }

    fn awaited(&self) -> Option<usize> {
        self.calls.iter().position(|call| call.awaited)
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.called = 0;
        self.rest();
    }

    /// Two sign-ins that are over are the same, whenever they began.
    fn rest(&mut self) {
        if !self.is_under_way() {
            self.since = 0;
        }
    }
}

impl State {
    fn tokens(&self) -> usize {
        self.people.iter().filter(|person| person.is_live()).count()
    }

    fn places(&self, state: SessionState) -> usize {
        self.sessions.live(time(self.now), None).filter(|session| session.state == state).count()
    }

    fn calls(&self) -> impl Iterator<Item = &Call> {
        self.people.iter().flat_map(|person| &person.calls)
    }

    fn is_quiet(&self) -> bool {
        self.news.is_empty() && !self.people.iter().any(Person::is_under_way)
    }

    fn revoke_all(&mut self) {
        for person in self.people.iter_mut().filter(|person| person.is_live()) {
            person.enter(Stage::Over);
        }
    }

    /// What was written is not what others have read.
    fn write(&mut self, sessions: Sessions) {
        self.sessions = sessions;
        for call in self.people.iter_mut().flat_map(|person| &mut person.calls) {
            if let Step::SigningOut { moved, .. } | Step::Writing { moved, .. } = &mut call.step {
                *moved = true;
            }
        }
    }

    /// The call is begun: what the function reads now it goes by until it writes.
    fn call(&mut self, model: &Model, index: usize) {
        let person = &self.people[index];
        let call = Call {
            number: person.called,
            for_tokens: person.stage == Stage::Tokens,
            step: Step::Answered(Answer::Fault),
            awaited: true,
        };
        let step = model.decide(self, index, &call);
        let person = &mut self.people[index];
        person.called += 1;
        person.calls.push(Call { step, ..call });
    }

    /// States that differ in what makes no difference are one: which of several sign-ins is which, and what was read by a call
    /// that will have to read again.
    fn normal(mut self, model: &Model) -> Self {
        if model.flaw != Flaw::Unconditional {
            for call in self.people.iter_mut().flat_map(|person| &mut person.calls) {
                if let Step::Writing { at, wish, moved: true, signs_out_afterwards, keeps } = &mut call.step {
                    (*at, *wish, *signs_out_afterwards, *keeps) = (0, Sessions::default(), false, None);
                }
            }
        }
        if model.are_alike() {
            self.people.sort_by_cached_key(|person| {
                let mut hasher = DefaultHasher::new();
                person.hash(&mut hasher);
                (person.stage == Stage::ToCome, hasher.finish())
            });
        }
        self
    }
}

impl Model {
    const TROUBLES: u8 = 2;

    fn of(policy: Policy, max: usize) -> Self {
        let terms = Terms {
            per: Per::User,
            policy,
            keep: Keep::WithTokens,
            reservation: TICK * i32::from(MINUTE),
            under_way: TICK * i32::from(MINUTE),
        };
        let clients = &["app", "app", "app"];
        // Where sessions are ended to make room, what matters is what becomes of them before they lapse.
        let validity = if policy == Policy::Deny { SHORT } else { LONG };
        Self { terms, max, clients, troubles: Self::TROUBLES, validity, releases: false, flaw: Flaw::None }
    }

    fn with(mut self, change: impl FnOnce(&mut Terms)) -> Self {
        change(&mut self.terms);
        self
    }

    /// Whether it makes no difference which sign-in is which.
    fn are_alike(&self) -> bool {
        !self.releases && self.clients.windows(2).all(|pair| pair[0] == pair[1])
    }

    fn sign_in(&self, sessions: &Sessions, person: usize, number: u8, at: u8) -> SignIn<'_> {
        // Where ids are never told, it is enough that no two places have the same.
        let is_free = |id: &SessionId| !sessions.live(Timestamp::MIN, None).any(|session| session.id == *id);
        let mut ids = (0..=u8::MAX).map(|number| SessionId::stored(number.to_string())).filter(is_free);
        let unique = SessionId::stored(format!("{person}.{number}"));
        SignIn {
            id: if self.are_alike() { ids.next().unwrap_or(unique) } else { unique },
            client: self.clients[person],
            now: time(at),
            max: self.max,
            validity: TICK * i32::from(self.validity),
        }
    }

    /// What the function does until it calls anything else.
    fn decide(&self, state: &State, person: usize, call: &Call) -> Step {
        let at = state.now;
        let mut wish = state.sessions.clone();
        if call.for_tokens {
            let until = match self.flaw {
                Flaw::NoMargin => time(at + self.validity),
                _ => self.terms.kept_until(time(at), TICK * i32::from(self.validity)),
            };
            return match wish.keep(self.clients[person], time(at), until) {
                Some(id) => Step::Writing { at, wish, moved: false, signs_out_afterwards: false, keeps: Some(id) },
                None => Step::Answered(Answer::Continue(None)),
            };
        }
        match self.terms.admit(&mut wish, self.sign_in(&state.sessions, person, call.number, at)).unwrap() {
            Admission::Full | Admission::Busy => Step::Answered(Answer::Denied),
            Admission::OnceSignedOut if self.flaw != Flaw::SignsOutAfterwards => {
                Step::SigningOut { at, wish, moved: false, is_written: false }
            }
            admission => {
                let signs_out_afterwards = admission == Admission::OnceSignedOut;
                Step::Writing { at, wish, moved: false, signs_out_afterwards, keeps: None }
            }
        }
    }

    fn step(&self, state: &mut State, person: usize, call: usize) {
        let this = state.people[person].calls[call].clone();
        let next = match this.step.clone() {
            Step::SigningOut { at, wish, moved, is_written } => {
                state.revoke_all();
                if is_written {
                    Step::Answered(Answer::Continue(None))
                } else {
                    Step::Writing { at, wish, moved, signs_out_afterwards: false, keeps: None }
                }
            }
            // The chain runs again on what is there now.
            Step::Writing { moved: true, .. } if self.flaw != Flaw::Unconditional => self.decide(state, person, &this),
            Step::Writing { at, wish, moved, signs_out_afterwards, keeps } => {
                state.write(wish.clone());
                state.kept_in_vain += i8::from(this.for_tokens || self.terms.keep == Keep::AtSignIn);
                if signs_out_afterwards {
                    Step::SigningOut { at, wish, moved, is_written: true }
                } else {
                    Step::Answered(Answer::Continue(keeps))
                }
            }
            answered @ Step::Answered(_) => answered,
        };
        self.put(state, person, call, next);
    }

    /// An answer nobody waits for is the end of a call.
    fn put(&self, state: &mut State, person: usize, call: usize, step: Step) {
        let person = &mut state.people[person];
        if matches!(step, Step::Answered(_)) && !person.calls[call].awaited {
            person.calls.remove(call);
            person.rest();
        } else {
            person.calls[call].step = step;
        }
    }

    fn receive(&self, state: &mut State, index: usize) {
        let now = state.now;
        let person = &mut state.people[index];
        let Some(awaited) = person.awaited() else { return };
        let call = person.calls.remove(awaited);
        match (call.step, person.stage.clone()) {
            (Step::Answered(Answer::Denied | Answer::Fault), _) => person.enter(Stage::Over),
            (Step::Answered(Answer::Continue(_)), Stage::Authentication) => {
                person.enter(Stage::Tokens);
                if self.terms.keep == Keep::WithTokens {
                    state.call(self, index);
                }
            }
            (Step::Answered(Answer::Continue(id)), _) => {
                let id = id.filter(|_| self.releases);
                person.enter(Stage::Live { until: now + self.validity, id });
                state.kept_in_vain -= 1;
            }
            _ => {}
        }
    }

    /// Cognito does not wait any longer.
    fn give_up(&self, state: &mut State, index: usize) {
        state.troubles += 1;
        let person = &mut state.people[index];
        let Some(awaited) = person.awaited() else { return };
        person.calls[awaited].awaited = false;
        if matches!(person.calls[awaited].step, Step::Answered(_)) {
            person.calls.remove(awaited);
        }
    }

    /// Tokens are renewed in a way that looks like a sign-in: "`GetTokensFromRefreshToken` -> `TokenGeneration_Authentication`".
    fn renew(&self, state: &mut State, person: usize) {
        state.troubles += 1;
        let until = self.terms.kept_until(time(state.now), TICK * i32::from(self.validity));
        let mut sessions = state.sessions.clone();
        if sessions.keep(self.clients[person], time(state.now), until).is_some() {
            state.write(sessions);
            state.kept_in_vain += 1;
        }
    }

    fn sign_out_everywhere(&self, state: &mut State) {
        state.revoke_all();
        state.signed_out = true;
        // News tell the second and no more: what was kept within the same one is left.
        let now = time(state.now);
        let same =
            state.sessions.live(now, None).filter(|place| place.state == SessionState::Kept && place.begun == now);
        state.nameless += u8::try_from(same.count()).unwrap();
        state.news.push(News::SignedOutEverywhere(state.now));
        let under_way = state.people.iter().filter(|person| person.is_under_way()).count();
        state.overlooked += u8::try_from(under_way).unwrap();
    }

    fn hear(&self, state: &mut State, which: usize, again: bool) {
        let news = state.news[which].clone();
        let mut sessions = state.sessions.clone();
        match &news {
            News::SignedOut(id) => {
                sessions.end(id);
            }
            News::SignedOutEverywhere(at) => {
                sessions.end_kept_before(time(*at));
            }
        }
        if sessions != state.sessions {
            state.write(sessions);
        }
        if !again {
            state.news.remove(which);
        }
    }

    fn tick(&self, state: &mut State) {
        state.now += 1;
        let now = state.now;
        for person in &mut state.people {
            if matches!(person.stage, Stage::Live { until, .. } if until <= now) {
                person.enter(Stage::Over);
            }
        }
    }
}

impl stateright::Model for Model {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { people: vec![Person::default(); self.clients.len()], ..State::default() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let trouble = state.troubles < self.troubles;
        // Those who are yet to come at one client are all alike: let them come in their order.
        let next = state.people.iter().position(|person| person.stage == Stage::ToCome);
        actions.extend(next.map(Action::Begin));
        for (index, person) in state.people.iter().enumerate() {
            for (number, call) in person.calls.iter().enumerate() {
                if !matches!(call.step, Step::Answered(_)) {
                    actions.push(Action::Step(index, number));
                }
                if matches!(call.step, Step::SigningOut { .. }) {
                    actions.push(Action::SigningOutFails(index, number));
                }
                if !call.awaited {
                    actions.push(Action::Dies(index, number));
                }
                if call.awaited && matches!(call.step, Step::Answered(_)) {
                    actions.push(Action::Receive(index));
                }
                if call.awaited && trouble {
                    actions.push(Action::GiveUp(index));
                    if person.called < 2 {
                        actions.push(Action::CallAgain(index));
                    }
                }
            }
            if person.stage == Stage::Tokens && self.terms.keep == Keep::AtSignIn {
                actions.push(Action::MakeTokens(index));
            }
            if person.is_live() && trouble && self.terms.keep == Keep::WithTokens {
                actions.push(Action::Renew(index));
            }
            if person.is_live() && self.releases {
                actions.push(Action::SignOut(index));
            }
        }
        if self.releases && !state.signed_out {
            actions.push(Action::SignOutEverywhere);
        }
        for which in 0..state.news.len() {
            actions.extend([true, false].map(|again| Action::Hear { which, again }));
        }
        let may_wait = |person: &Person| !person.is_under_way() || state.now + 1 - person.since < MINUTE;
        if state.now < END && state.people.iter().all(may_wait) {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Begin(index) => {
                let person = &mut state.people[index];
                person.enter(Stage::Authentication);
                person.since = last.now;
                state.call(self, index);
            }
            Action::Step(person, call) => self.step(&mut state, person, call),
            Action::SigningOutFails(person, call) => {
                self.put(&mut state, person, call, Step::Answered(Answer::Fault));
            }
            Action::Dies(person, call) => {
                state.people[person].calls.remove(call);
                state.people[person].rest();
            }
            Action::Receive(person) => self.receive(&mut state, person),
            Action::CallAgain(person) => {
                self.give_up(&mut state, person);
                state.call(self, person);
            }
            Action::GiveUp(person) => {
                self.give_up(&mut state, person);
                state.people[person].enter(Stage::Over);
            }
            Action::MakeTokens(person) => {
                state.people[person].enter(Stage::Live { until: last.now + self.validity, id: None });
                state.kept_in_vain -= 1;
            }
            Action::Renew(person) => self.renew(&mut state, person),
            Action::SignOut(person) => {
                match state.people[person].stage.clone() {
                    Stage::Live { id: Some(id), .. } => state.news.push(News::SignedOut(id)),
                    _ => state.nameless += 1,
                }
                state.people[person].enter(Stage::Over);
            }
            Action::SignOutEverywhere => self.sign_out_everywhere(&mut state),
            Action::Hear { which, again } => self.hear(&mut state, which, again),
            Action::Tick => self.tick(&mut state),
        }
        Some(state.normal(self))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::<Self>::always(AT_MOST_MAX, |model, state| {
                state.tokens() <= model.max + usize::from(state.overlooked)
            }),
            Property::<Self>::always(NONE_FORGOTTEN, |_, state| {
                let places = state.places(SessionState::Kept) + state.places(SessionState::Reserved);
                places + usize::from(state.overlooked) >= state.tokens()
            }),
            Property::<Self>::always(NONE_FOR_NOBODY, none_for_nobody),
            Property::<Self>::sometimes("as many as may be are signed in", |model, state| state.tokens() == model.max),
            Property::<Self>::sometimes("somebody is refused", |_, state| {
                state.calls().any(|call| call.step == Step::Answered(Answer::Denied))
            }),
        ];
        if self.terms.policy == Policy::SignOutOthers {
            properties.push(Property::<Self>::sometimes("others are signed out", |model, state| {
                let signs_out = |call: &Call| matches!(call.step, Step::SigningOut { .. });
                state.tokens() == model.max && state.calls().any(signs_out)
            }));
        }
        if self.terms.keep == Keep::WithTokens {
            properties.push(Property::<Self>::sometimes("a reservation lapses", |_, state| {
                let lapsed = |place: &Session| place.state == SessionState::Reserved && place.until <= time(state.now);
                state.is_quiet() && state.sessions.live(Timestamp::MIN, None).any(lapsed)
            }));
            properties.push(Property::<Self>::sometimes(LOST, |_, state| {
                state.is_quiet() && state.tokens() == 0 && state.kept_in_vain > 0
            }));
        }
        if self.releases {
            properties.push(Property::<Self>::sometimes(OVERLOOKED, |model, state| state.tokens() > model.max));
        }
        properties
    }
}

/// But for sign-ins at the moment of a sign-out everywhere, see [`OVERLOOKED`].
const AT_MOST_MAX: &str = "no more than the limit have tokens";
const NONE_FORGOTTEN: &str = "every session with tokens has a place";
const NONE_FOR_NOBODY: &str = "no place is taken by nobody, once nothing is under way";
/// Documented: nobody can know whether the tokens of a lost answer were made.
const LOST: &str = "a place is kept for tokens whose answer was lost";
/// Documented: who is being signed in at the very moment somebody signs out everywhere.
const OVERLOOKED: &str = "a sign-in at the moment of a sign-out everywhere is not counted";

/// Once nothing is under way, every place is one of tokens (or was, until a moment ago), but for those kept for an answer that
/// was lost and those of sessions nobody could name. A sign-in with the policy of signing others out always gets in.
fn none_for_nobody(model: &Model, state: &State) -> bool {
    if !state.is_quiet() {
        return true;
    }
    let now = time(state.now);
    let fresh = |begun: Timestamp| now.duration_since(begun) < TICK * i32::from(MINUTE);
    if state.sessions.live(now, None).any(|place| place.state == SessionState::Reserved && !fresh(place.begun)) {
        return false;
    }
    if model.terms.policy == Policy::SignOutOthers {
        let waits = state.sessions.live(now, None).any(|place| fresh(place.begun));
        let admission = model
            .terms
            .admit(&mut state.sessions.clone(), model.sign_in(&state.sessions, 0, u8::MAX, state.now))
            .unwrap();
        return waits || matches!(admission, Admission::Free | Admission::OnceSignedOut);
    }
    let in_vain = usize::try_from(state.kept_in_vain).unwrap_or_default();
    // Of tokens that have lapsed the place is counted a little longer.
    let lapsed_lately = |place: &&Session| {
        let lapsed = place.until - model.terms.reservation;
        lapsed <= now
    };
    let alive = state.sessions.live(now, None).filter(|place| place.state == SessionState::Kept);
    let taken = alive.filter(|place| !lapsed_lately(place)).count();
    taken <= state.tokens() + in_vain + usize::from(state.nameless)
}

impl fmt::Debug for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}, {} of {}", self.terms, self.max, self.clients.len())
    }
}

/// Tries everything.
#[track_caller]
fn holds(model: Model) {
    let shown = format!("{model:?}");
    let started = std::time::Instant::now();
    let checker = stateright::Model::checker(model).threads(2).spawn_bfs().join();
    println!("{} states in {:?}: {shown}", checker.unique_state_count(), started.elapsed());
    checker.assert_properties();
}

/// Finds what is wrong, and only that.
#[track_caller]
fn fails(model: Model, property: &'static str) {
    let found = HasDiscoveries::AnyOf([property].into());
    let path = stateright::Model::checker(model).threads(2).finish_when(found).spawn_bfs().join();
    println!("{:?}", path.assert_any_discovery(property).into_actions());
}

#[test]
fn a_limit_that_denies_holds_in_every_order_of_events() {
    holds(Model::of(Policy::Deny, 1));
    holds(Model { troubles: 1, ..Model::of(Policy::Deny, 2) });
}

#[test]
fn a_limit_that_signs_others_out_holds_in_every_order_of_events() {
    holds(Model::of(Policy::SignOutOthers, 1));
    holds(Model { troubles: 1, ..Model::of(Policy::SignOutOthers, 2) });
}

#[test]
fn it_holds_whatever_the_user_signs_out_of_and_whenever_that_is_heard_of() {
    for policy in [Policy::Deny, Policy::SignOutOthers] {
        holds(Model { troubles: 1, releases: true, clients: &["app", "app"], ..Model::of(policy, 1) });
    }
}

#[test]
fn it_holds_where_places_are_kept_at_the_sign_in() {
    for (policy, max) in [(Policy::Deny, 1), (Policy::Deny, 2), (Policy::SignOutOthers, 1), (Policy::SignOutOthers, 2)]
    {
        holds(Model::of(policy, max).with(|terms| terms.keep = Keep::AtSignIn));
    }
}

#[test]
fn it_holds_at_several_app_clients_together() {
    for policy in [Policy::Deny, Policy::SignOutOthers] {
        holds(Model { troubles: 1, clients: &["app", "app", "other"], ..Model::of(policy, 1) });
    }
}

/// What each part of the protocol is for: without it, the checker finds how the limit is exceeded.
#[test]
fn nothing_less_would_do() {
    let two = |policy| Model { clients: &["app", "app"], ..Model::of(policy, 1) };
    let tick = TICK * 1;
    fails(Model { flaw: Flaw::Unconditional, ..two(Policy::Deny) }, AT_MOST_MAX);
    fails(two(Policy::Deny).with(|terms| terms.reservation = tick), AT_MOST_MAX);
    fails(Model { flaw: Flaw::NoMargin, ..two(Policy::Deny) }, AT_MOST_MAX);
    fails(two(Policy::SignOutOthers).with(|terms| terms.under_way = tick), AT_MOST_MAX);
    fails(Model { flaw: Flaw::SignsOutAfterwards, ..two(Policy::SignOutOthers) }, NONE_FORGOTTEN);
}
