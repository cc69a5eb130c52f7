//! Overloaded operators and functions: PostgreSQL's rules for which one is meant
//! (chapter "Type Conversion"; oper() and func_select_candidate in the sources).

use crate::error::{Error, Result, state};
use crate::functions::{self, Function, Operator};
use crate::types::{Category, Type, record, text};

use super::Purpose;
use super::coerce::{can_coerce, common_type};

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
    fn function(&self) -> &'static Function;

    fn arg(&self, place: usize) -> &'static Type {
        self.function().arg(place)
    }
}

impl Candidate for &'static Operator {
    fn function(&self) -> &'static Function {
        &self.function
    }
}

impl Candidate for &'static Function {
    fn function(&self) -> &'static Function {
        self
    }
}

/// What the polymorphic types of a signature stand for in one call.
#[derive(Clone, Copy, Default)]
pub(super) struct Polymorphic {
    /// anyelement and its kin.
    element: Option<&'static Type>,
    /// anycompatible and its kin.
    compatible: Option<&'static Type>,
}

impl Polymorphic {
    /// The actual type of a type of the signature; itself if it is not polymorphic. `None` if nothing tells.
    pub(super) fn actual(self, ty: &'static Type) -> Option<&'static Type> {
        match ty.oid {
            oid if oid == record::ANYELEMENT.oid
                || oid == record::ANYNONARRAY.oid
                || oid == record::ANYENUM.oid =>
            {
                self.element
            }
            oid if oid == record::ANYARRAY.oid => self.element?.array(),
            oid if oid == record::ANYCOMPATIBLE.oid => self.compatible,
            oid if oid == record::ANYCOMPATIBLEARRAY.oid => self.compatible?.array(),
            _ => Some(ty),
        }
    }
}

/// What the polymorphic types stand for; `None` if the arguments do not fit together
/// (check_generic_type_consistency).
pub(super) fn polymorphic(function: &'static Function, types: &[&'static Type]) -> Option<Polymorphic> {
    let mut found = Polymorphic::default();
    let mut compatible: Vec<&'static Type> = Vec::new();
    let mut has_compatible = false;
    for (place, ty) in types.iter().copied().enumerate() {
        let wanted = function.arg(place);
        let (element, family) = match wanted.oid {
            oid if oid == record::ANYELEMENT.oid => (Some(ty), false),
            oid if oid == record::ANYNONARRAY.oid && ty.element().is_none() => (Some(ty), false),
            oid if oid == record::ANYENUM.oid && (ty.category == Category::Enum || is_unknown(ty)) => {
                (Some(ty), false)
            }
            oid if oid == record::ANYARRAY.oid => (ty.element(), false),
            oid if oid == record::ANYCOMPATIBLE.oid => (Some(ty), true),
            oid if oid == record::ANYCOMPATIBLEARRAY.oid => (ty.element(), true),
            oid if oid == record::ANYNONARRAY.oid || oid == record::ANYENUM.oid => return None,
            _ => continue,
        };
        has_compatible |= family;
        if is_unknown(ty) {
            continue;
        }
        let element = element?;
        if family {
            compatible.push(element);
        } else {
            match found.element {
                None => found.element = Some(element),
                Some(other) if other == element => {}
                Some(_) => return None,
            }
        }
    }
    if has_compatible {
        found.compatible = Some(common_type(compatible.iter().copied(), "").ok()?);
        let common = found.compatible?;
        if !compatible.iter().all(|ty| can_coerce(ty, common, Purpose::Implicit)) {
            return None;
        }
    }
    Some(found)
}

/// Whether an argument of a type may stand where a signature wants another.
fn accepts_argument(ty: &'static Type, wanted: &'static Type) -> bool {
    let is_array = || is_unknown(ty) || ty.element().is_some();
    match wanted.oid {
        oid if oid == record::ANYARRAY.oid || oid == record::ANYCOMPATIBLEARRAY.oid => is_array(),
        oid if oid == record::ANYNONARRAY.oid => ty.element().is_none(),
        oid if oid == record::ANYENUM.oid => is_unknown(ty) || ty.category == Category::Enum,
        _ => can_coerce(ty, wanted, Purpose::Implicit),
    }
}

/// The operator for these argument types (the left is `None` for a prefix operator).
pub(super) fn operator(
    name: &str,
    left: Option<&'static Type>,
    right: &'static Type,
) -> Result<&'static Operator> {
    let types: Vec<&'static Type> = left.into_iter().chain([right]).map(|ty| ty.base()).collect();
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
    let given = types;
    let types: &[&'static Type] = &types.iter().map(|ty| ty.base()).collect::<Vec<_>>();
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
        Choice::None => Err(missing_function(name, given)),
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

pub(super) fn missing_function(name: &str, types: &[&Type]) -> Error {
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
    let mut left: Vec<C> =
        candidates.into_iter().filter(|candidate| accepts_all(candidate.function(), types)).collect();
    // A signature without variadic or polymorphic arguments wins over one that takes just anything.
    if left.len() > 1 && left.iter().any(|candidate| !candidate.function().variadic) {
        left.retain(|candidate| !candidate.function().variadic);
    }
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

fn accepts_all(function: &'static Function, types: &[&'static Type]) -> bool {
    types.iter().enumerate().all(|(place, ty)| accepts_argument(ty, function.arg(place)))
        && polymorphic(function, types).is_some()
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
    let all_known = vec![*first; types.len()];
    let fits = |candidate: &C| accepts_all(candidate.function(), &all_known);
    let fitting: Vec<C> = candidates.iter().copied().filter(fits).collect();
    if fitting.len() == 1 {
        *candidates = fitting;
    }
}
