//! The third gate: what a parsed document would cost, with each fragment worked out once.
//!
//! Fragments may be spread many times, and in each other, so that a short text stands for an enormous operation. Here the
//! tally of a fragment is remembered and only multiplied out in numbers; nothing is expanded. Cycles are refused.

use std::collections::HashMap;

use async_graphql_parser::types::{ExecutableDocument, Field, OperationType, Selection, SelectionSet};

use super::{Violation, cost};

/// What one document may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Fields, spreads and inline fragments of all operations and fragments, each fragment as often as it is spread.
    pub selections: u64,
    /// What a query or mutation may cost; [`cost`] says what its fields do.
    pub cost: u64,
    /// What a subscription may cost: it is executed anew for each message.
    pub subscription_cost: u64,
    /// Nested fields, those of the introspection left out.
    pub depth: u64,
    /// Nested selection sets, fragments included.
    pub levels: u64,
    /// Arguments of one field.
    pub arguments: usize,
    /// Commands of a mutation.
    pub commands: u64,
    /// Commands of a mutation that try a secret: sign-up, log-in, refresh, change of a password.
    pub secrets: u64,
    /// Estimated size of what the introspection fields of an operation answer, in values.
    pub introspection: u64,
    /// Introspection fields, `__schema` and `__type`, of an operation.
    pub introspection_fields: u64,
    /// Lists of the introspection within each other, such as `types { fields { args } }`.
    pub introspection_lists: u64,
}

/// Of which kinds a document's operations are, and whether they only ask about the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// There is a query.
    pub query: bool,
    /// There is a mutation.
    pub mutation: bool,
    /// There is a subscription.
    pub subscription: bool,
    /// Every root field is `__schema`, `__type` or `__typename`: the answer is the same for everybody.
    pub introspection_only: bool,
}

/// How many wrappers a type has at most: `[T!]!` is a list and twice non-null.
const WRAPPERS: usize = 3;

/// What a selection set comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    selections: u64,
    cost: u64,
    depth: u64,
    levels: u64,
    commands: u64,
    secrets: u64,
    /// Root fields that are answered by a component.
    data_fields: u64,
    introspection_fields: u64,
    introspection_lists: u64,
    /// Values that the introspection answers with, by how many wrappers the type may still have.
    values: [u64; WRAPPERS + 1],
}

impl Tally {
    fn and(self, other: Self) -> Self {
        let mut values = self.values;
        for (sum, more) in values.iter_mut().zip(other.values) {
            *sum = sum.saturating_add(more);
        }
        Self {
            selections: self.selections.saturating_add(other.selections),
            cost: self.cost.saturating_add(other.cost),
            depth: self.depth.max(other.depth),
            levels: self.levels.max(other.levels),
            commands: self.commands.saturating_add(other.commands),
            secrets: self.secrets.saturating_add(other.secrets),
            data_fields: self.data_fields.saturating_add(other.data_fields),
            introspection_fields: self.introspection_fields.saturating_add(other.introspection_fields),
            introspection_lists: self.introspection_lists.max(other.introspection_lists),
            values,
        }
    }
}

/// Where a selection set stands: on a root type, on data, or on the introspection's own types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Query,
    Mutation,
    Subscription,
    Data,
    Introspection,
}

impl Place {
    const fn of(operation: OperationType) -> Self {
        match operation {
            OperationType::Query => Self::Query,
            OperationType::Mutation => Self::Mutation,
            OperationType::Subscription => Self::Subscription,
        }
    }

    const fn operation(self) -> Option<OperationType> {
        match self {
            Self::Query => Some(OperationType::Query),
            Self::Mutation => Some(OperationType::Mutation),
            Self::Subscription => Some(OperationType::Subscription),
            Self::Data | Self::Introspection => None,
        }
    }
}

enum Known {
    /// It is being worked out: whoever asks for it now stands in it.
    Open,
    Tallied(Tally),
}

struct Scale<'a> {
    document: &'a ExecutableDocument,
    budget: &'a Budget,
    known: HashMap<(&'a str, Place), Known>,
}

/// Weighs every operation and every fragment of a document.
///
/// # Errors
/// When one is over the budget, or a fragment stands in itself.
pub fn weigh(document: &ExecutableDocument, budget: &Budget) -> Result<Kinds, Violation> {
    let mut scale = Scale { document, budget, known: HashMap::new() };
    let mut kinds = Kinds { introspection_only: true, ..Kinds::default() };
    let mut selections = 0_u64;
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        let tally = scale.set(&operation.selection_set.node, Place::of(operation.ty), 1)?;
        selections = selections.saturating_add(tally.selections);
        check(&tally, operation.ty, budget)?;
        kinds.introspection_only &= tally.data_fields == 0;
        match operation.ty {
            OperationType::Query => kinds.query = true,
            OperationType::Mutation => kinds.mutation = true,
            OperationType::Subscription => kinds.subscription = true,
        }
    }
    kinds.introspection_only &= !kinds.mutation && !kinds.subscription;
    for name in document.fragments.keys() {
        selections = selections.saturating_add(scale.fragment(name.as_str(), Place::Data, 1)?.selections);
    }
    within("selections, fragments counted as often as they are spread", selections, budget.selections)?;
    Ok(kinds)
}

fn within(what: &str, is: u64, may: u64) -> Result<(), Violation> {
    if is <= may {
        return Ok(());
    }
    Err(Violation::too_complex(format!("the document has {is} {what}; it may have {may}")))
}

fn check(tally: &Tally, operation: OperationType, budget: &Budget) -> Result<(), Violation> {
    let cost_max =
        if operation == OperationType::Subscription { budget.subscription_cost } else { budget.cost };
    within("nested fields", tally.depth, budget.depth)?;
    within("commands", tally.commands, budget.commands)?;
    within("sign-ups, log-ins, refreshes and changes of a password", tally.secrets, budget.secrets)?;
    within("fields about the schema", tally.introspection_fields, budget.introspection_fields)?;
    within("lists of the schema within each other", tally.introspection_lists, budget.introspection_lists)?;
    let [.., values] = tally.values;
    within("values of the schema to answer with, by estimate", values, budget.introspection)?;
    if tally.cost > cost_max {
        let detail =
            format!("the operation costs {}; it may cost {cost_max}: ask for less at once", tally.cost);
        return Err(Violation::too_complex(detail));
    }
    Ok(())
}

impl<'a> Scale<'a> {
    fn set(&mut self, set: &'a SelectionSet, place: Place, level: u64) -> Result<Tally, Violation> {
        within("nested selection sets", level, self.budget.levels)?;
        let mut sum = Tally::default();
        for selection in &set.items {
            let one = Tally { selections: 1, ..Tally::default() };
            let tally = match &selection.node {
                Selection::Field(field) => self.field(&field.node, place, level)?,
                Selection::InlineFragment(inline) => {
                    one.and(self.set(&inline.node.selection_set.node, place, level + 1)?)
                }
                Selection::FragmentSpread(spread) => {
                    one.and(self.fragment(spread.node.fragment_name.node.as_str(), place, level + 1)?)
                }
            };
            sum = sum.and(tally);
        }
        Ok(Tally { levels: sum.levels + 1, ..sum })
    }

    /// A fragment's tally, worked out once for each kind of place. One that is not there weighs nothing: validation says so.
    fn fragment(&mut self, name: &str, place: Place, level: u64) -> Result<Tally, Violation> {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Tally::default());
        };
        match self.known.get(&(name.as_str(), place)) {
            Some(Known::Open) => {
                return Err(Violation::malformed(
                    format!("the fragment '{name}' is spread within itself"),
                    Some((fragment.pos.line, fragment.pos.column)),
                ));
            }
            Some(Known::Tallied(tally)) => {
                within("nested selection sets", level - 1 + tally.levels, self.budget.levels)?;
                return Ok(*tally);
            }
            None => {}
        }
        self.known.insert((name.as_str(), place), Known::Open);
        let tally = self.set(&fragment.node.selection_set.node, place, level)?;
        self.known.insert((name.as_str(), place), Known::Tallied(tally));
        Ok(tally)
    }

    fn field(&mut self, field: &'a Field, place: Place, level: u64) -> Result<Tally, Violation> {
        let name = field.name.node.as_str();
        if field.arguments.len() > self.budget.arguments {
            let detail = format!("a field may have {} arguments", self.budget.arguments);
            return Err(Violation::too_complex(detail));
        }
        let asks_schema = place == Place::Query && matches!(name, "__schema" | "__type");
        let inner =
            if asks_schema || place == Place::Introspection { Place::Introspection } else { Place::Data };
        let below = if field.selection_set.node.items.is_empty() {
            Tally::default()
        } else {
            self.set(&field.selection_set.node, inner, level + 1)?
        };
        let selections = below.selections.saturating_add(1);
        Ok(match place {
            Place::Introspection => Tally { selections, ..introspected(name, &below) },
            Place::Query if asks_schema => Tally { selections, introspection_fields: 1, ..below },
            Place::Data => data(selections, 1, &below),
            Place::Query | Place::Mutation | Place::Subscription => {
                let is_meta = name.starts_with("__");
                let root = place.operation().filter(|_| !is_meta);
                let own = root.map_or(1, |operation| cost::of_root_field(operation, name));
                let commands = u64::from(root == Some(OperationType::Mutation));
                let secrets = u64::from(commands == 1 && cost::tries_a_secret(name));
                let data_fields = u64::from(!is_meta);
                Tally { commands, secrets, data_fields, ..data(selections, own, &below) }
            }
        })
    }
}

/// A field of data with what is selected of it.
fn data(selections: u64, own: u64, below: &Tally) -> Tally {
    Tally { selections, cost: below.cost.saturating_add(own), depth: below.depth + 1, ..*below }
}

/// A field of the introspection's types with what is selected of it.
fn introspected(name: &str, below: &Tally) -> Tally {
    let count = cost::introspection_count(name);
    let [.., unwrapped] = below.values;
    let mut values = [0; WRAPPERS + 1];
    for (left, value) in values.iter_mut().enumerate() {
        // A type without wrappers left has no `ofType`: what is selected of it is never answered.
        let each = match (name, left) {
            ("ofType", 0) => 0,
            ("ofType", left) => below.values[left - 1],
            _ => unwrapped,
        };
        *value = each.saturating_mul(count).saturating_add(1);
    }
    let lists = u64::from(cost::is_introspection_list(name));
    Tally { values, introspection_lists: below.introspection_lists + lists, ..*below }
}

#[cfg(test)]
mod tests;
