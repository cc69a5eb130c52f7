//! Overloaded operators and functions: PostgreSQL's rules for which one is meant
//! (chapter "Type Conversion"; oper() and func_select_candidate in the sources).

use crate::error::{Error, Result, state};
use crate::functions::{self, Function, Operator};
use crate::types::{Category, Type, text};

use super::Purpose;
use super::coerce::can_coerce;

fn is_unknown(ty: &Type) -> bool {
    ty.oid == text::UNKNOWN.oid
}

/// How a search for one among several ended.
enum Choice<T> {
    One(T),
    None,
    Ambiguous,
}

/// Something with argument types that can be chosen.
trait Candidate: Copy {
    fn arg(&self, place: usize) -> &'static Type;
}

impl Candidate for &'static Operator {
    fn arg(&self, place: usize) -> &'static Type {
        self.function.args[place]
    }
}

impl Candidate for &'static Function {
    fn arg(&self, place: usize) -> &'static Type {
        Function::arg(self, place)
    }
}

/// The operator for these argument types (the left is `None` for a prefix operator).
pub(super) fn operator(
    name: &str,
    left: Option<&'static Type>,
    right: &'static Type,
) -> Result<&'static Operator> {
    let types: Vec<&'static Type> = left.into_iter().chain([right]).collect();
    let arity = types.len();
    let named: Vec<&'static Operator> = functions::operators_named(name)
        .iter()
        .copied()
        .filter(|operator| operator.function.args.len() == arity)
        .collect();
    let exact = exact_operator_types(&types);
    if let Some(found) = named.iter().find(|operator| operator.function.args == exact.as_slice()) {
        return usable(found);
    }
    match choose(&types, named) {
        Choice::One(found) => usable(found),
        Choice::None => Err(missing_operator(name, left, right)),
        Choice::Ambiguous => {
            let message = format!("operator is not unique: {}", signature(name, left, right));
            Err(Error::new(state::AMBIGUOUS_FUNCTION, message).with_hint(
                "Could not choose a best candidate operator. You might need to add explicit type casts.",
            ))
        }
    }
}

/// For the exact match an unknown side is taken to be of the other's type.
fn exact_operator_types(types: &[&'static Type]) -> Vec<&'static Type> {
    match *types {
        [left, right] if is_unknown(left) => vec![right, right],
        [left, right] if is_unknown(right) => vec![left, left],
        _ => types.to_vec(),
    }
}

fn usable(operator: &'static Operator) -> Result<&'static Operator> {
    if let functions::Body::Lacking = operator.function.body {
        let args: Vec<&str> = operator.function.args.iter().map(|ty| ty.sql_name).collect();
        return Err(Error::unsupported(format!("operator {} for {}", operator.name, args.join(" and "))));
    }
    Ok(operator)
}

fn signature(name: &str, left: Option<&Type>, right: &Type) -> String {
    match left {
        Some(left) => format!("{} {name} {}", left.sql_name, right.sql_name),
        None => format!("{name} {}", right.sql_name),
    }
}

fn missing_operator(name: &str, left: Option<&Type>, right: &Type) -> Error {
    let signature = signature(name, left, right);
    if functions::is_postgresql_operator(name, left.map_or("-", |ty| ty.name), right.name) {
        return Error::unsupported(format!("operator {signature}"));
    }
    Error::new(state::UNDEFINED_FUNCTION, format!("operator does not exist: {signature}")).with_hint(
        "No operator matches the given name and argument types. You might need to add explicit type casts.",
    )
}

/// The function for these argument types.
pub(super) fn function(name: &str, types: &[&'static Type]) -> Result<&'static Function> {
    let named: Vec<&'static Function> =
        functions::named(name).iter().copied().filter(|function| function.accepts(types.len())).collect();
    let is_exact = |function: &&&'static Function| {
        types.iter().enumerate().all(|(place, ty)| function.arg(place) == *ty)
    };
    if let Some(found) = named.iter().find(is_exact) {
        return usable_function(found);
    }
    match choose(types, named) {
        Choice::One(found) => usable_function(found),
        Choice::None => Err(missing_function(name, types)),
        Choice::Ambiguous => {
            let message = format!("function {} is not unique", call_text(name, types));
            Err(Error::new(state::AMBIGUOUS_FUNCTION, message).with_hint(
                "Could not choose a best candidate function. You might need to add explicit type casts.",
            ))
        }
    }
}

fn usable_function(function: &'static Function) -> Result<&'static Function> {
    match function.body {
        functions::Body::Lacking => {
            Err(Error::unsupported(format!("function {}", call_text(function.name, function.args))))
        }
        _ => Ok(function),
    }
}

fn call_text(name: &str, types: &[&Type]) -> String {
    let types: Vec<&str> = types.iter().map(|ty| ty.sql_name).collect();
    format!("{name}({})", types.join(", "))
}

fn missing_function(name: &str, types: &[&Type]) -> Error {
    let call = call_text(name, types);
    if functions::named(name).is_empty() && functions::is_postgresql_function(name) {
        return Error::unsupported(format!("function {call}"));
    }
    Error::new(state::UNDEFINED_FUNCTION, format!("function {call} does not exist")).with_hint(
        "No function matches the given name and argument types. You might need to add explicit type casts.",
    )
}

/// Chooses among candidates of the right number of arguments.
fn choose<C: Candidate>(types: &[&'static Type], candidates: Vec<C>) -> Choice<C> {
    let accepts = |candidate: &C| {
        types.iter().enumerate().all(|(place, ty)| can_coerce(ty, candidate.arg(place), Purpose::Implicit))
    };
    let mut left: Vec<C> = candidates.into_iter().filter(accepts).collect();
    let matches_exactly = |candidate: &C, place: usize| candidate.arg(place) == types[place];
    keep_best(&mut left, types, matches_exactly);
    keep_best(&mut left, types, |candidate, place| {
        matches_exactly(candidate, place) || is_preferred_of(candidate.arg(place), types[place].category)
    });
    if left.len() > 1 && types.iter().any(|ty| is_unknown(ty)) {
        choose_for_unknowns(&mut left, types);
    }
    match left.as_slice() {
        [] => Choice::None,
        [only] => Choice::One(*only),
        _ => Choice::Ambiguous,
    }
}

fn is_preferred_of(ty: &Type, category: Category) -> bool {
    ty.preferred && ty.category == category
}

/// Keeps the candidates with the most known arguments that fit.
fn keep_best<C: Candidate>(
    candidates: &mut Vec<C>,
    types: &[&'static Type],
    fits: impl Fn(&C, usize) -> bool,
) {
    if candidates.len() < 2 {
        return;
    }
    let score = |candidate: &C| {
        (0..types.len()).filter(|place| !is_unknown(types[*place]) && fits(candidate, *place)).count()
    };
    let best = candidates.iter().map(score).max().unwrap_or(0);
    candidates.retain(|candidate| score(candidate) == best);
}

/// Lets the unknown arguments decide: strings are preferred, then preferred types; at last, all
/// unknowns are taken to be what the known arguments are.
fn choose_for_unknowns<C: Candidate>(candidates: &mut Vec<C>, types: &[&'static Type]) {
    let before = candidates.clone();
    let unknowns: Vec<usize> = (0..types.len()).filter(|place| is_unknown(types[*place])).collect();
    let categories: Option<Vec<(usize, Category)>> =
        unknowns.iter().map(|place| Some((*place, category_for(candidates, *place)?))).collect();
    if let Some(categories) = categories {
        for (place, category) in categories {
            let has_preferred =
                candidates.iter().any(|candidate| is_preferred_of(candidate.arg(place), category));
            candidates.retain(|candidate| {
                let ty = candidate.arg(place);
                ty.category == category && (!has_preferred || ty.preferred)
            });
        }
        if candidates.len() == 1 {
            return;
        }
    }
    if candidates.is_empty() || candidates.len() > 1 {
        *candidates = before;
        take_known_type(candidates, types);
    }
}

/// The category that an unknown argument is taken to have: string if any candidate takes one there,
/// else the one they all have.
fn category_for<C: Candidate>(candidates: &[C], place: usize) -> Option<Category> {
    let categories: Vec<Category> =
        candidates.iter().map(|candidate| candidate.arg(place).category).collect();
    if categories.contains(&Category::String) {
        return Some(Category::String);
    }
    let first = *categories.first()?;
    categories.iter().all(|category| *category == first).then_some(first)
}

fn take_known_type<C: Candidate>(candidates: &mut Vec<C>, types: &[&'static Type]) {
    let mut known = types.iter().filter(|ty| !is_unknown(ty));
    let Some(first) = known.next() else { return };
    if known.any(|ty| ty != first) {
        return;
    }
    let fits = |candidate: &C| {
        (0..types.len()).all(|place| can_coerce(first, candidate.arg(place), Purpose::Implicit))
    };
    let fitting: Vec<C> = candidates.iter().copied().filter(fits).collect();
    if fitting.len() == 1 {
        *candidates = fitting;
    }
}

/// What a polymorphic signature gives for actual types: the common type of its anyelement arguments.
pub(super) fn element_type(function: &Function, types: &[&'static Type]) -> Result<Option<&'static Type>> {
    use crate::types::record::ANYELEMENT;
    let elements = types.iter().enumerate().filter(|(place, _)| function.arg(*place).oid == ANYELEMENT.oid);
    let elements: Vec<&'static Type> = elements.map(|(_, ty)| *ty).collect();
    if elements.is_empty() {
        return Ok(None);
    }
    super::coerce::common_type(elements.into_iter(), function.name).map(Some)
}
