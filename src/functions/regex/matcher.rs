//! Finds matches as PostgreSQL's engine does: the earliest start; of the ends the farthest, or the nearest if the
//! expression prefers short matches; then each part in turn as long or as short as it prefers, as far as the
//! rest still fits.
//!
//! Ends are found by running a nondeterministic automaton over the text, so its cost is bounded by
//! length × size. Back references need a search of their own, whose steps are bounded.

use std::collections::HashMap;

use super::syntax::{Assertion, Class, Node, Options, Pattern, folded, is_word, preference};
use crate::error::{Error, Result, state};

/// The most states of an automaton.
const STATES_MAX: usize = 200_000;
/// The most steps of a search with back references.
const STEPS_MAX: usize = 20_000_000;

/// One state of an automaton.
#[derive(Debug)]
enum State {
    Char(char, usize),
    Any(usize),
    Class(usize, usize),
    Assert(Assertion, usize),
    Look { automaton: usize, behind: bool, negated: bool, next: usize },
    Split(usize, usize),
    Accept,
}

/// The automaton of one part.
#[derive(Debug)]
struct Automaton {
    states: Vec<State>,
    start: usize,
}

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Compiled {
    pattern: Pattern,
    automata: Vec<Automaton>,
    classes: Vec<Class>,
    /// The whole's automaton.
    whole: usize,
    /// The automaton of each node, by its address in the tree.
    of_node: HashMap<usize, usize>,
    /// For the sequences that remain after each place of a concatenation.
    of_rest: HashMap<(usize, usize), usize>,
}

/// Where a match and its groups are, in characters.
pub(super) type Captures = Vec<Option<(usize, usize)>>;

fn too_complex() -> Error {
    Error::new(
        state::INVALID_REGULAR_EXPRESSION,
        "invalid regular expression: regular expression is too complex",
    )
}

struct Builder<'c> {
    states: Vec<State>,
    classes: &'c mut Vec<Class>,
    automata: &'c mut Vec<Automaton>,
}

impl Builder<'_> {
    fn push(&mut self, state: State) -> Result<usize> {
        if self.states.len() >= STATES_MAX {
            return Err(too_complex());
        }
        self.states.push(state);
        Ok(self.states.len() - 1)
    }

    /// The start of a part that goes on at `next`.
    fn build(&mut self, node: &Node, next: usize) -> Result<usize> {
        match node {
            Node::Empty => Ok(next),
            Node::Char(c) => self.push(State::Char(*c, next)),
            Node::Any => self.push(State::Any(next)),
            Node::Class(class) => {
                self.classes.push(class.clone());
                self.push(State::Class(self.classes.len() - 1, next))
            }
            Node::Assert(assertion) => self.push(State::Assert(*assertion, next)),
            Node::Look { node, behind, negated } => {
                let automaton = build_automaton(&[&**node], self.classes, self.automata)?;
                self.push(State::Look { automaton, behind: *behind, negated: *negated, next })
            }
            Node::Group(_, inner) => self.build(inner, next),
            Node::Concat(parts) => {
                let mut next = next;
                for part in parts.iter().rev() {
                    next = self.build(part, next)?;
                }
                Ok(next)
            }
            Node::Alternate(branches) => {
                let mut start = None;
                for branch in branches.iter().rev() {
                    let branch = self.build(branch, next)?;
                    start = Some(match start {
                        None => branch,
                        Some(other) => self.push(State::Split(branch, other))?,
                    });
                }
                Ok(start.unwrap_or(next))
            }
            Node::Repeat { node, min, max, .. } => {
                let mut next = next;
                match max {
                    None => {
                        let split = self.push(State::Split(0, next))?;
                        let body = self.build(node, split)?;
                        self.states[split] = State::Split(body, next);
                        next = split;
                    }
                    Some(max) => {
                        let end = next;
                        for _ in *min..*max {
                            let body = self.build(node, next)?;
                            next = self.push(State::Split(body, end))?;
                        }
                    }
                }
                for _ in 0..*min {
                    next = self.build(node, next)?;
                }
                Ok(next)
            }
            // Whatever it refers to; the search looks closer.
            Node::Backreference(_) => {
                let split = self.push(State::Split(0, next))?;
                let body = self.push(State::Any(split))?;
                self.states[split] = State::Split(body, next);
                Ok(split)
            }
        }
    }
}

fn build_automaton<N: std::borrow::Borrow<Node>>(
    sequence: &[N],
    classes: &mut Vec<Class>,
    automata: &mut Vec<Automaton>,
) -> Result<usize> {
    let mut builder = Builder { states: Vec::new(), classes, automata };
    let mut next = builder.push(State::Accept)?;
    for node in sequence.iter().rev() {
        next = builder.build(node.borrow(), next)?;
    }
    let states = builder.states;
    automata.push(Automaton { states, start: next });
    Ok(automata.len() - 1)
}

fn address(node: &Node) -> usize {
    std::ptr::from_ref(node) as usize
}

impl Compiled {
    pub(super) fn new(pattern: Pattern) -> Result<Compiled> {
        let mut compiled = Compiled {
            pattern,
            automata: Vec::new(),
            classes: Vec::new(),
            whole: 0,
            of_node: HashMap::new(),
            of_rest: HashMap::new(),
        };
        compiled.whole =
            build_automaton(&[&*compiled.pattern.node], &mut compiled.classes, &mut compiled.automata)?;
        Ok(compiled)
    }

    pub(super) fn groups(&self) -> usize {
        self.pattern.groups
    }

    fn options(&self) -> Options {
        self.pattern.options
    }

    /// Builds the automata of parts that hold groups, on first need.
    pub(super) fn prepare(&mut self) -> Result<()> {
        if self.pattern.groups == 0 || !self.of_node.is_empty() || self.pattern.has_backreferences {
            return Ok(());
        }
        // The nodes' addresses are their names: taking the box and putting it back moves none of them.
        let root = std::mem::replace(&mut self.pattern.node, Box::new(Node::Empty));
        let named = self.name_parts(&root);
        self.pattern.node = root;
        named
    }

    fn name_parts(&mut self, root: &Node) -> Result<()> {
        let mut stack = vec![root];
        while let Some(node) = stack.pop() {
            let number = build_automaton(&[node], &mut self.classes, &mut self.automata)?;
            self.of_node.insert(address(node), number);
            match node {
                Node::Group(_, inner) | Node::Repeat { node: inner, .. } => stack.push(inner),
                Node::Concat(parts) => {
                    for place in 0..parts.len() {
                        let rest: Vec<&Node> = parts[place + 1..].iter().collect();
                        let number = build_automaton(&rest, &mut self.classes, &mut self.automata)?;
                        self.of_rest.insert((address(node), place), number);
                        stack.push(&parts[place]);
                    }
                }
                Node::Alternate(branches) => stack.extend(branches),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether there is a match anywhere.
    pub(super) fn is_match(&self, text: &[char]) -> Result<bool> {
        if self.pattern.has_backreferences {
            return Ok(self.find(text, 0)?.is_some());
        }
        let mut run = Run::new(self, text, self.whole);
        for at in 0..=text.len() {
            run.add(self.automata[self.whole].start, at);
            if run.accepts {
                return Ok(true);
            }
            if at < text.len() {
                run.step(at);
            }
        }
        Ok(run.accepts)
    }

    /// The first match at or after a place.
    pub(super) fn find(&self, text: &[char], from: usize) -> Result<Option<Captures>> {
        let longest = preference(&self.pattern.node).unwrap_or(true);
        for start in from..=text.len() {
            if self.pattern.has_backreferences {
                if let Some(found) = self.search(text, start, longest)? {
                    return Ok(Some(found));
                }
                continue;
            }
            let Some(end) = self.end(self.whole, text, start, longest) else { continue };
            let mut captures: Captures = vec![None; self.pattern.groups + 1];
            captures[0] = Some((start, end));
            if self.pattern.groups > 0 {
                self.dissect(&self.pattern.node, text, start, end, &mut captures);
            }
            return Ok(Some(captures));
        }
        Ok(None)
    }

    /// The farthest or the nearest end of a match from a start.
    fn end(&self, automaton: usize, text: &[char], start: usize, longest: bool) -> Option<usize> {
        let mut run = Run::new(self, text, automaton);
        run.add(self.automata[automaton].start, start);
        let mut found = None;
        let mut at = start;
        loop {
            if run.accepts {
                found = Some(at);
                if !longest {
                    return found;
                }
            }
            if at >= text.len() || run.current.is_empty() {
                return found;
            }
            run.step(at);
            at += 1;
        }
    }

    /// All ends of matches from a start up to a limit, nearest first.
    fn ends(&self, automaton: usize, text: &[char], start: usize, limit: usize) -> Vec<usize> {
        let mut run = Run::new(self, text, automaton);
        run.add(self.automata[automaton].start, start);
        let mut found = Vec::new();
        let mut at = start;
        loop {
            if run.accepts {
                found.push(at);
            }
            if at >= limit || run.current.is_empty() {
                return found;
            }
            run.step(at);
            at += 1;
        }
    }

    fn spans(&self, automaton: usize, text: &[char], start: usize, end: usize) -> bool {
        self.ends(automaton, text, start, end).last() == Some(&end)
    }

    /// Finds the groups in a part that is known to match from `start` to `end`.
    fn dissect(&self, node: &Node, text: &[char], start: usize, end: usize, captures: &mut Captures) {
        match node {
            Node::Group(number, inner) => {
                captures[*number] = Some((start, end));
                self.dissect(inner, text, start, end, captures);
            }
            Node::Concat(parts) => {
                let mut at = start;
                for (place, part) in parts.iter().enumerate() {
                    let rest = self.of_rest[&(address(node), place)];
                    let mut ends = self.ends(self.of_node[&address(part)], text, at, end);
                    if preference(part) != Some(false) {
                        ends.reverse();
                    }
                    let middle = ends.into_iter().find(|middle| self.spans(rest, text, *middle, end));
                    let Some(middle) = middle else { return };
                    self.dissect(part, text, at, middle, captures);
                    at = middle;
                }
            }
            Node::Alternate(branches) => {
                let fits = |branch: &&Node| self.spans(self.of_node[&address(branch)], text, start, end);
                if let Some(branch) = branches.iter().find(fits) {
                    self.dissect(branch, text, start, end, captures);
                }
            }
            Node::Repeat { node: inner, min, .. } => {
                // The last round's groups are what remains.
                let (part, mut at, mut rounds) = (self.of_node[&address(inner)], start, 0);
                while at < end {
                    let mut ends = self.ends(part, text, at, end);
                    ends.retain(|to| *to > at);
                    if preference(inner) != Some(false) {
                        ends.reverse();
                    }
                    let whole = self.of_node[&address(node)];
                    let next = ends.into_iter().find(|to| *to == end || self.spans(whole, text, *to, end));
                    let Some(next) = next else { return };
                    self.dissect(inner, text, at, next, captures);
                    at = next;
                    rounds += 1;
                }
                if start == end && rounds < *min {
                    self.dissect(inner, text, start, end, captures);
                }
            }
            _ => {}
        }
    }

    /// A search with back references: tries in order of preference, and takes the first that fits.
    fn search(&self, text: &[char], start: usize, longest: bool) -> Result<Option<Captures>> {
        let mut search = Search { compiled: self, text, steps: 0, best: None, longest };
        let captures: Captures = vec![None; self.pattern.groups + 1];
        search.run(&[Task::Node(&self.pattern.node)], start, captures)?;
        Ok(search.best.map(|(end, mut captures)| {
            captures[0] = Some((start, end));
            captures
        }))
    }

    fn asserts(&self, assertion: Assertion, text: &[char], at: usize) -> bool {
        let before = at.checked_sub(1).map(|place| text[place]);
        let after = text.get(at).copied();
        let lines = self.options().anchors_at_newline;
        let word = |c: Option<char>| c.is_some_and(is_word);
        match assertion {
            Assertion::LineStart => at == 0 || (lines && before == Some('\n')),
            Assertion::LineEnd => at == text.len() || (lines && after == Some('\n')),
            Assertion::TextStart => at == 0,
            Assertion::TextEnd => at == text.len(),
            Assertion::WordStart => !word(before) && word(after),
            Assertion::WordEnd => word(before) && !word(after),
            Assertion::WordBoundary => word(before) != word(after),
            Assertion::NotWordBoundary => word(before) == word(after),
        }
    }

    fn char_matches(&self, wanted: char, found: char) -> bool {
        wanted == found || (self.options().ignores_case && folded(wanted) == folded(found))
    }

    fn any_matches(&self, found: char) -> bool {
        !(self.options().stops_at_newline && found == '\n')
    }

    fn looks(&self, automaton: usize, behind: bool, text: &[char], at: usize) -> bool {
        if behind {
            return (0..=at).rev().any(|start| self.spans(automaton, text, start, at));
        }
        self.end(automaton, text, at, false).is_some()
    }
}

/// A run of an automaton over a text.
struct Run<'c> {
    compiled: &'c Compiled,
    text: &'c [char],
    automaton: usize,
    current: Vec<usize>,
    next: Vec<usize>,
    /// The step at which a state was last reached.
    reached: Vec<usize>,
    stamp: usize,
    accepts: bool,
    stack: Vec<usize>,
}

impl<'c> Run<'c> {
    fn new(compiled: &'c Compiled, text: &'c [char], automaton: usize) -> Run<'c> {
        Run {
            compiled,
            text,
            automaton,
            current: Vec::new(),
            next: Vec::new(),
            reached: vec![0; compiled.automata[automaton].states.len()],
            stamp: 1,
            accepts: false,
            stack: Vec::new(),
        }
    }

    /// Reaches a state, and all that are reached from it without a character.
    fn add(&mut self, state: usize, at: usize) {
        let compiled = self.compiled;
        let states = &compiled.automata[self.automaton].states;
        self.stack.push(state);
        while let Some(state) = self.stack.pop() {
            if self.reached[state] == self.stamp {
                continue;
            }
            self.reached[state] = self.stamp;
            match &states[state] {
                State::Split(a, b) => self.stack.extend([*b, *a]),
                State::Assert(assertion, next) => {
                    if compiled.asserts(*assertion, self.text, at) {
                        self.stack.push(*next);
                    }
                }
                State::Look { automaton, behind, negated, next } => {
                    if compiled.looks(*automaton, *behind, self.text, at) != *negated {
                        self.stack.push(*next);
                    }
                }
                State::Accept => self.accepts = true,
                _ => self.current.push(state),
            }
        }
    }

    /// Takes the character at a place.
    fn step(&mut self, at: usize) {
        let compiled = self.compiled;
        let states = &compiled.automata[self.automaton].states;
        let c = self.text[at];
        let before = std::mem::take(&mut self.current);
        self.current = std::mem::take(&mut self.next);
        self.stamp += 1;
        self.accepts = false;
        for state in &before {
            let next = match &states[*state] {
                State::Char(wanted, next) => compiled.char_matches(*wanted, c).then_some(*next),
                State::Any(next) => compiled.any_matches(c).then_some(*next),
                State::Class(class, next) => {
                    compiled.classes[*class].matches(c, compiled.options().ignores_case).then_some(*next)
                }
                _ => None,
            };
            if let Some(next) = next {
                self.add(next, at + 1);
            }
        }
        self.next = before;
        self.next.clear();
    }
}

/// What is still to be matched.
#[derive(Clone, Copy)]
enum Task<'n> {
    Node(&'n Node),
    /// The end of a group that started there.
    Close(usize, usize),
    /// More rounds of a repetition: done so far, and where the last began.
    Again(&'n Node, u32, usize),
}

struct Search<'c> {
    compiled: &'c Compiled,
    text: &'c [char],
    steps: usize,
    best: Option<(usize, Captures)>,
    longest: bool,
}

impl<'c> Search<'c> {
    /// Whether to stop: nothing better can be found.
    fn run(&mut self, tasks: &[Task<'c>], at: usize, captures: Captures) -> Result<bool> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            return Err(too_complex());
        }
        stacker_guard(|| self.run_inner(tasks, at, captures))
    }

    fn run_inner(&mut self, tasks: &[Task<'c>], at: usize, mut captures: Captures) -> Result<bool> {
        let Some((task, rest)) = tasks.split_last() else {
            let is_better = match &self.best {
                None => true,
                Some((end, _)) => self.longest && at > *end || !self.longest && at < *end,
            };
            if is_better {
                self.best = Some((at, captures));
            }
            return Ok(self.longest && at == self.text.len());
        };
        let c = self.text.get(at).copied();
        match task {
            Task::Close(group, start) => {
                captures[*group] = Some((*start, at));
                self.run(rest, at, captures)
            }
            Task::Again(node, rounds, began) => self.repeat(node, *rounds, *began, rest, at, captures),
            Task::Node(node) => match node {
                Node::Empty => self.run(rest, at, captures),
                Node::Char(wanted) => match c {
                    Some(c) if self.compiled.char_matches(*wanted, c) => self.run(rest, at + 1, captures),
                    _ => Ok(false),
                },
                Node::Any => match c {
                    Some(c) if self.compiled.any_matches(c) => self.run(rest, at + 1, captures),
                    _ => Ok(false),
                },
                Node::Class(class) => match c {
                    Some(c) if class.matches(c, self.compiled.options().ignores_case) => {
                        self.run(rest, at + 1, captures)
                    }
                    _ => Ok(false),
                },
                Node::Assert(assertion) => match self.compiled.asserts(*assertion, self.text, at) {
                    true => self.run(rest, at, captures),
                    false => Ok(false),
                },
                Node::Look { .. } => Err(too_complex()),
                Node::Group(number, inner) => {
                    let mut tasks = rest.to_vec();
                    tasks.push(Task::Close(*number, at));
                    tasks.push(Task::Node(inner));
                    self.run(&tasks, at, captures)
                }
                Node::Concat(parts) => {
                    let mut tasks = rest.to_vec();
                    tasks.extend(parts.iter().rev().map(Task::Node));
                    self.run(&tasks, at, captures)
                }
                Node::Alternate(branches) => {
                    for branch in branches {
                        let mut tasks = rest.to_vec();
                        tasks.push(Task::Node(branch));
                        if self.run(&tasks, at, captures.clone())? {
                            return Ok(true);
                        }
                    }
                    Ok(false)
                }
                Node::Repeat { .. } => self.repeat(node, 0, usize::MAX, rest, at, captures),
                Node::Backreference(number) => {
                    let Some((start, end)) = captures[*number] else { return Ok(false) };
                    let length = end - start;
                    let same = at + length <= self.text.len()
                        && (0..length).all(|place| {
                            self.compiled.char_matches(self.text[start + place], self.text[at + place])
                        });
                    if same { self.run(rest, at + length, captures) } else { Ok(false) }
                }
            },
        }
    }

    fn repeat(
        &mut self,
        node: &'c Node,
        rounds: u32,
        began: usize,
        rest: &[Task<'c>],
        at: usize,
        captures: Captures,
    ) -> Result<bool> {
        let Node::Repeat { node: inner, min, max, greedy } = node else { return Ok(false) };
        let may_stop = rounds >= *min;
        // A round that took nothing would go on for ever.
        let may_go_on = max.is_none_or(|max| rounds < max) && !(may_stop && began == at);
        let go_on = |search: &mut Self, captures: Captures| {
            let mut tasks = rest.to_vec();
            tasks.push(Task::Again(node, rounds + 1, at));
            tasks.push(Task::Node(inner));
            search.run(&tasks, at, captures)
        };
        if *greedy {
            if may_go_on && go_on(self, captures.clone())? {
                return Ok(true);
            }
            return if may_stop { self.run(rest, at, captures) } else { Ok(false) };
        }
        if may_stop && self.run(rest, at, captures.clone())? {
            return Ok(true);
        }
        if may_go_on { go_on(self, captures) } else { Ok(false) }
    }
}

/// The search recurses once for every character it takes.
fn stacker_guard<T>(work: impl FnOnce() -> T) -> T {
    const STACK_LEFT: usize = 128 << 10;
    const STACK_MORE: usize = 4 << 20;
    stacker::maybe_grow(STACK_LEFT, STACK_MORE, work)
}
