//! What a set promises: to hold what was given or delivered to it, and nothing else.

use std::collections::BTreeSet;

use hubcast::interval_set::IntervalSet;
use hubcast::json::Json;
use hubcast::node::AnyNode;
use hubcast::workload::Workload;
use hubcast::workload::broadcast::{Broadcast, GSet};

use super::plan::Plan;
use super::promises::Promises;
use crate::nodes::cluster::{self, inside};

/// A set of integers that only grows.
pub trait Integers: Workload<Item = i64> {
    /// The request that adds one, and its field.
    const ADD: (&'static str, &'static str);

    /// What is in it.
    fn integers(&self) -> &IntervalSet;
}

impl Integers for Broadcast {
    const ADD: (&'static str, &'static str) = ("broadcast", "message");

    fn integers(&self) -> &IntervalSet {
        self.values()
    }
}

impl Integers for GSet {
    const ADD: (&'static str, &'static str) = ("add", "element");

    fn integers(&self) -> &IntervalSet {
        self.values()
    }
}

/// What each node must hold.
#[derive(Debug)]
pub struct Set<W> {
    /// All values given to nodes so far.
    given: IntervalSet,
    /// What each node must hold: what was given or delivered to it in this life.
    model: Vec<IntervalSet>,
    /// What reached a node, and is not known to be stored there or was not read yet.
    unsure: Vec<Vec<i64>>,
    /// What a node held that died, and no other one will hold: it may come back with
    /// what was under way, and need not.
    gone: BTreeSet<i64>,
    workload: std::marker::PhantomData<W>,
}

impl<W> Set<W> {
    /// Before anything has happened.
    pub fn new(plan: &Plan) -> Set<W> {
        Set {
            given: IntervalSet::new(),
            model: vec![IntervalSet::new(); plan.nodes],
            unsure: vec![Vec::new(); plan.nodes],
            gone: BTreeSet::new(),
            workload: std::marker::PhantomData,
        }
    }

    /// This value reaches a node.
    fn reaches(&mut self, node: usize, value: i64) {
        self.gone.remove(&value);
        if self.model[node].insert(value) {
            self.unsure[node].push(value);
        }
    }
}

impl<W: Integers> Promises for Set<W> {
    fn request(&mut self, node: usize, value: i64) -> Vec<u8> {
        self.given.insert(value);
        self.reaches(node, value);
        let (kind, field) = W::ADD;
        cluster::line("c0", &cluster::name(node), |body| {
            body.word("type", kind);
            body.int(field, value);
        })
    }

    fn delivered(&mut self, node: usize, items: &[Json<'_>]) -> Result<(), String> {
        for value in items.iter().filter_map(Json::as_int) {
            self.reaches(node, value);
            if !self.given.contains(value) {
                return Err(format!("n{node} is told of {value}, which nobody sent"));
            }
        }
        Ok(())
    }

    fn answered(&mut self, _node: usize, _body: &Json<'_>) -> Result<(), String> {
        Err("nobody has asked for an answer".into())
    }

    fn killed(&mut self, node: usize, forgets: bool) -> bool {
        let mut lost = std::mem::take(&mut self.model[node]);
        if !forgets {
            // Without this it is stored, and will be there again.
            let unsure: IntervalSet = self.unsure[node].iter().copied().collect();
            let stored = lost.iter().filter(|value| !unsure.contains(*value));
            self.model[node] = stored.collect();
            lost = unsure;
        }
        let held = |value: &i64| self.model.iter().any(|model| model.contains(*value));
        self.gone.extend(lost.iter().filter(|value| !held(value)));
        !lost.is_empty()
    }

    fn started(&mut self, index: usize, node: &dyn AnyNode) -> Result<(), String> {
        let values = inside::<W>(node).workload().integers();
        let model = &mut self.model[index];
        if let Some(missing) = model.iter().find(|value| !values.contains(*value)) {
            return Err(format!(
                "n{index} has restarted without {missing}, which was stored"
            ));
        }
        for value in std::mem::take(&mut self.unsure[index]) {
            if values.contains(value) {
                self.gone.remove(&value);
                model.insert(value);
            }
        }
        Ok(())
    }

    fn checked(&mut self, index: usize, node: &dyn AnyNode) -> Result<(), String> {
        self.unsure[index].clear();
        match (node.items(), self.model[index].len()) {
            (held, told) if held != told => Err(format!(
                "n{index} holds {held} values; {told} were given or delivered to it"
            )),
            _ => Ok(()),
        }
    }

    fn are_alike(&self, nodes: &[Box<dyn AnyNode>], component: &[usize]) -> bool {
        let values = |node: usize| inside::<W>(&*nodes[node]).workload().integers();
        let mut pairs = component.windows(2);
        pairs.all(|pair| values(pair[0]).ranges().eq(values(pair[1]).ranges()))
    }

    fn is_complete(&self, nodes: &[Box<dyn AnyNode>]) -> bool {
        let demanded = self.given.len() - self.gone.len() as u64;
        nodes.iter().all(|node| node.items() == demanded)
    }

    fn finished(&self, nodes: &[Box<dyn AnyNode>]) -> Result<(), String> {
        for (index, node) in nodes.iter().enumerate() {
            let values = inside::<W>(&**node).workload().integers();
            let demanded = |value: &i64| !self.gone.contains(value);
            let missing = |value: &i64| !values.contains(*value) && demanded(value);
            if let Some(missing) = self.given.iter().find(missing) {
                return Err(format!("all is quiet, and n{index} misses {missing}"));
            }
        }
        Ok(())
    }

    fn gone(&self) -> u64 {
        self.gone.len() as u64
    }
}
