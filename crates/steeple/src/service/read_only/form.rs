//! What the proto of a read-only service says: which method does what, and with which fields.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use sea_orm::sea_query::ArrayType;

use super::{
    Options,
    arguments::{Get, Pages},
    filter,
    item::{Item, holds},
};
use crate::model::{Model, Order};

/// What one method does.
pub(super) enum Form {
    Get(Get),
    Pages(Box<Pages>),
}

/// What all of them do, by path.
pub(super) struct Forms {
    pub item: Item,
    pub forms: Vec<(String, Form)>,
}

/// How a method's name begins.
#[derive(Clone, Copy, PartialEq)]
enum Verb {
    Get,
    List,
    Search,
}

impl Verb {
    fn of(name: &str) -> Option<Self> {
        let begins = |verb: &str| {
            name.strip_prefix(verb).is_some_and(|rest| !rest.starts_with(|letter: char| letter.is_lowercase()))
        };
        let verbs = [("Get", Self::Get), ("List", Self::List), ("Search", Self::Search)];
        verbs.into_iter().find(|(verb, _)| begins(verb)).map(|(_, verb)| verb)
    }
}

impl Forms {
    /// Reads the service against the model.
    ///
    /// # Errors
    /// Everything that does not fit.
    pub fn read(service: &ServiceDescriptor, model: &Model, options: &Options) -> Result<Self, Vec<String>> {
        let mut problems = vec![];
        let mut methods = vec![];
        for method in service.methods() {
            let path = format!("{}/{}", service.full_name(), method.name());
            match Verb::of(method.name()) {
                _ if method.is_client_streaming() || method.is_server_streaming() => {
                    problems.push(format!("{path}: a read-only service has no streams"));
                }
                Some(verb) => methods.push((path, method, verb)),
                None => {
                    problems.push(format!("{path}: a method of a read-only service is called Get…, List… or Search…"));
                }
            }
        }
        let Some(message) = shown(&methods) else {
            problems.push(format!("{}: no method gives rows", service.full_name()));
            return Err(problems);
        };
        let item = Item::read(&message, model, options, &mut problems);
        let reader = Reader { item: &item, model, options };
        let mut forms = vec![];
        for (path, method, verb) in methods {
            let form = match verb {
                Verb::Get => reader.get(&method).map(Form::Get),
                _ => reader.pages(&path, &method, verb == Verb::Search).map(|pages| Form::Pages(Box::new(pages))),
            };
            match form {
                Ok(form) => forms.push((format!("/{path}"), form)),
                Err(more) => problems.extend(more.into_iter().map(|problem| format!("{path}: {problem}"))),
            }
        }
        for (field, ..) in &options.only {
            if model.field(field).is_none() {
                problems.push(format!("only {field}: the model {} has no such field", model.name));
            }
        }
        if problems.is_empty() { Ok(Self { item, forms }) } else { Err(problems) }
    }
}

/// The message that stands for a row: the repeated one of the first list, else what the first `Get…` gives.
fn shown(methods: &[(String, MethodDescriptor, Verb)]) -> Option<MessageDescriptor> {
    let of_list =
        methods.iter().filter(|(.., verb)| *verb != Verb::Get).find_map(|(_, method, _)| repeated(&method.output()));
    of_list.map(|field| field.1).or_else(|| {
        let output = methods.first()?.1.output();
        let kinds: Vec<_> = output.fields().map(|field| field.kind()).collect();
        match &kinds[..] {
            [Kind::Message(inner)] if !inner.full_name().starts_with("google.protobuf.") => Some(inner.clone()),
            _ => Some(output),
        }
    })
}

/// The one field with many messages.
fn repeated(message: &MessageDescriptor) -> Option<(FieldDescriptor, MessageDescriptor)> {
    let mut many = message.fields().filter(FieldDescriptor::is_list).filter_map(|field| match field.kind() {
        Kind::Message(inner) if !field.is_map() => Some((field, inner)),
        _ => None,
    });
    many.next().filter(|_| many.next().is_none())
}

struct Reader<'a> {
    item: &'a Item,
    model: &'a Model,
    options: &'a Options,
}

impl Reader<'_> {
    fn get(&self, method: &MethodDescriptor) -> Result<Get, Vec<String>> {
        let (input, output) = (method.input(), method.output());
        let mut problems = vec![];
        let key: Vec<_> =
            input.fields().filter_map(|field| Some((field.clone(), self.of_model(&field, &mut problems)?))).collect();
        let names: Vec<_> = key.iter().map(|(_, name)| *name).collect();
        let whole_key =
            names.len() == self.model.key.len() && self.model.keys().all(|field| names.contains(&field.name));
        let unique = matches!(names[..], [name] if self.model.field(name).is_some_and(|field| field.unique));
        if problems.is_empty() && !whole_key && !unique {
            let keys: Vec<_> = self.model.keys().map(|field| field.name).collect();
            problems.push(format!(
                "{} must have the key ({}) and nothing else, or one unique field",
                input.full_name(),
                keys.join(", ")
            ));
        }
        let within = match &output.fields().collect::<Vec<_>>()[..] {
            _ if output == self.item.message => None,
            [field]
                if matches!(field.kind(), Kind::Message(inner) if inner == self.item.message) && !field.is_list() =>
            {
                Some(field.clone())
            }
            _ => {
                let item = self.item.message.full_name();
                problems.push(format!("must give {item}, or a message with one {item} and nothing else"));
                None
            }
        };
        if problems.is_empty() { Ok(Get { input, key, output, within }) } else { Err(problems) }
    }

    fn pages(&self, path: &str, method: &MethodDescriptor, search: bool) -> Result<Pages, Vec<String>> {
        let (input, output) = (method.input(), method.output());
        let mut problems = vec![];
        let mut equal = vec![];
        for field in input.fields().filter(|field| !is_reserved(field.name(), search)) {
            if let Some(name) = self.of_model(&field, &mut problems) {
                equal.push((field, name));
            }
        }
        for field in output.fields() {
            let known = matches!(field.name(), "next_page_token" | "total_size");
            let items = field.is_list() && matches!(field.kind(), Kind::Message(inner) if inner == self.item.message);
            if !known && !items {
                problems.push(format!("{}: nobody fills it", field.full_name()));
            }
        }
        let mut wants = |message: &MessageDescriptor, name: &str, kinds: &[Kind], needed: bool| {
            let field = message.get_field_by_name(name);
            let written = kinds.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect::<Vec<_>>().join(" or ");
            match &field {
                Some(field) if field.is_list() || !kinds.contains(&field.kind()) => {
                    problems.push(format!("{}: write {written}", field.full_name()));
                }
                None if needed => problems.push(format!("{} must have {written} {name}", message.full_name())),
                _ => {}
            }
            field
        };
        let page_size = wants(&input, "page_size", &[Kind::Int32], true);
        let page_token = wants(&input, "page_token", &[Kind::String], true);
        let filter = wants(&input, "filter", &[Kind::String], false);
        let order_by = wants(&input, "order_by", &[Kind::String], false);
        let query = if search { wants(&input, "query", &[Kind::String], true) } else { None };
        let next_page_token = wants(&output, "next_page_token", &[Kind::String], true);
        let total_size = wants(&output, "total_size", &[Kind::Int32, Kind::Int64], false);
        let items = repeated(&output).filter(|(_, message)| *message == self.item.message).map(|(field, _)| field);
        if items.is_none() {
            problems.push(format!("{} must have one repeated {}", output.full_name(), self.item.message.full_name()));
        }
        let search_in = self.search_in(search, &mut problems);
        let default_order = self.default_order(&mut problems);
        let (default, most) = self.options.page;
        if default == 0 || most < default || most > 10_000 {
            problems
                .push(format!("page_size({default}, {most}): must be from 1 up to the most, and that at most 10000"));
        }
        let named = self.comparable();
        match (page_size, page_token, next_page_token, items) {
            (Some(page_size), Some(page_token), Some(next_page_token), Some(items)) if problems.is_empty() => {
                Ok(Pages {
                    path: path.to_owned(),
                    input,
                    page_size,
                    page_token,
                    filter,
                    order_by,
                    query,
                    equal,
                    named,
                    search_in,
                    default_order,
                    sizes: (default, most),
                    output,
                    items,
                    next_page_token,
                    total_size,
                })
            }
            _ => Err(problems),
        }
    }

    /// The model's field that a field of a request is.
    fn of_model(&self, field: &FieldDescriptor, problems: &mut Vec<String>) -> Option<&'static str> {
        let name = self.item.field(field.name()).unwrap_or(field.name());
        let Some(own) = self.model.field(name) else {
            problems.push(format!("{}: the model {} has no field {name}", field.full_name(), self.model.name));
            return None;
        };
        match holds(field, own) {
            Ok(()) => Some(own.name),
            Err(wanted) => {
                problems.push(format!("{}: write {wanted} for {name}", field.full_name()));
                None
            }
        }
    }

    fn search_in(&self, search: bool, problems: &mut Vec<String>) -> Vec<&'static str> {
        if !search {
            return vec![];
        }
        let text = |name: &str| self.model.field(name).is_some_and(|field| field.kind == ArrayType::String);
        let fields: Vec<_> = match &self.options.search_in[..] {
            [] => self.item.fields().map(|(_, field)| field).filter(|field| text(field)).collect(),
            given => given
                .iter()
                .filter_map(|name| {
                    let field = self.item.field(name);
                    if field.is_none() {
                        problems.push(format!("search_in {name}: {} has no such field", self.item.message.full_name()));
                    }
                    field
                })
                .collect(),
        };
        if fields.is_empty() && problems.is_empty() {
            problems.push("there is no text to search in".to_owned());
        }
        fields
    }

    fn default_order(&self, problems: &mut Vec<String>) -> Vec<Order> {
        let read = filter::order(self.options.order_by).map_err(|error| error.message().to_owned());
        let known = read.and_then(|order| {
            let own = |by: Order| {
                let field = self.comparable().into_iter().find(|(name, _)| *name == by.field);
                let field = field.ok_or_else(|| format!("order_by: {} cannot be ordered by", by.field))?;
                Ok(Order { field: field.1.to_owned(), ..by })
            };
            order.into_iter().map(own).collect::<Result<Vec<_>, String>>()
        });
        known.unwrap_or_else(|problem| {
            problems.push(problem);
            vec![]
        })
    }

    /// What is shown and can be compared.
    fn comparable(&self) -> Vec<(String, &'static str)> {
        let can = |field: &str| {
            self.model.field(field).is_some_and(|field| !matches!(field.kind, ArrayType::Json | ArrayType::Bytes))
        };
        self.item.fields().filter(|(_, field)| can(field)).map(|(name, field)| (name.to_owned(), field)).collect()
    }
}

fn is_reserved(name: &str, search: bool) -> bool {
    matches!(name, "page_size" | "page_token" | "filter" | "order_by") || search && name == "query"
}
