//! The JSON Schema of `triggers.toml`, for editors. Only this file makes schemas, so that no Lambda carries what makes them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::file::SERVICES;
use super::{Configured, KNOWN_SECTIONS, OnFault, RuleSet, RuleVisitor};

/// How deep tables in tables are followed; a type may hold itself.
const DEPTH: usize = 16;

/// The schema (draft 2020-12) for a program with these rules. Tables of known rules that the program does not hold are
/// allowed and not looked into, as the program itself does.
#[must_use]
pub fn schema<R: RuleSet>() -> Value {
    written(Tables::of::<R>())
}

/// The same for a file that a program without rules reads as well: its table `section` is that of
/// [`Configuration::tables::<T>`](super::Configuration::tables).
#[must_use]
pub fn schema_with<R: RuleSet, T: JsonSchema>(section: &str) -> Value {
    let mut tables = Tables::of::<R>();
    let table = T::json_schema(&mut tables.generator).to_value();
    tables.rules.insert(section.to_owned(), table);
    written(tables)
}

fn written(tables: Tables) -> Value {
    let Tables { mut generator, mut rules } = tables;
    let definitions = generator.take_definitions(true);

    for section in KNOWN_SECTIONS.iter().filter(|section| !rules.contains_key(**section)).copied().collect::<Vec<_>>() {
        let table = json!({ "type": "object", "description": "A table this program does not hold; others may." });
        rules.insert(section.to_owned(), table);
    }
    let overrides: Map<String, Value> =
        rules.iter().map(|(section, rule)| (section.clone(), partial(rule, &definitions, DEPTH))).collect();

    let mut properties = Map::new();
    properties
        .insert("$schema".into(), json!({ "type": "string", "description": "Where this schema is, for editors" }));
    properties.insert("services".into(), services());
    properties.append(&mut rules);
    properties.insert(
        "pools".into(),
        json!({
            "type": "object",
            "description": "What a user pool wants otherwise, by its id: its tables are merged over the others",
            "patternProperties": {
                r"^[\w-]+_[0-9a-zA-Z]+$": {
                    "type": "object",
                    "properties": overrides,
                    "additionalProperties": false,
                },
            },
            "additionalProperties": false,
        }),
    );
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "triggers.toml",
        "description": "The rules for the Lambda triggers of Amazon Cognito user pools: a rule is on when its table is there",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if let (Some(schema), false) = (schema.as_object_mut(), definitions.is_empty()) {
        schema.insert("$defs".into(), definitions.into());
    }
    schema
}

fn services() -> Value {
    let mut properties: Map<String, Value> = SERVICES
        .iter()
        .map(|service| {
            let description = format!("{}: {}. {} overrides it", service.purpose, service.example, service.variable);
            (service.key.to_owned(), json!({ "type": "string", "description": description }))
        })
        .collect();
    let templates = "The folder of templates, beside this file. TRIGGERS_TEMPLATES overrides it";
    properties
        .insert("templates".into(), json!({ "type": "string", "default": "templates", "description": templates }));
    let mut usual = delivery();
    if let Some(usual) = usual.as_object_mut() {
        usual.insert("default".into(), "inline".into());
    }
    properties.insert("delivery".into(), usual);
    json!({
        "type": "object",
        "description": "Where the services are that rules rely on",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn delivery() -> Value {
    json!({
        "enum": ["inline", "deferred"],
        "description": "Whether mails, files and events are sent before PostConfirmation is answered, or left to the courier",
    })
}

/// The schemas of tables.
struct Tables {
    generator: SchemaGenerator,
    rules: Map<String, Value>,
}

impl Tables {
    fn of<R: RuleSet>() -> Self {
        let mut tables = Self { generator: SchemaSettings::draft2020_12().into_generator(), rules: Map::new() };
        R::each(&mut tables);
        tables
    }
}

impl RuleVisitor for Tables {
    fn rule<R: Configured>(&mut self) {
        let rule = R::json_schema(&mut self.generator).to_value();
        let on_fault = OnFault::json_schema(&mut self.generator).to_value();
        self.rules.insert(R::SECTION.to_owned(), with_common_keys(rule, on_fault, R::ON_FAULT));
    }
}

/// Adds the keys every rule has.
fn with_common_keys(rule: Value, on_fault: Value, default: OnFault) -> Value {
    let mut rule = match rule {
        Value::Object(rule) => rule,
        _ => Map::new(),
    };
    let mut on_fault = match on_fault {
        Value::Object(on_fault) => on_fault,
        _ => Map::new(),
    };
    on_fault.insert("description".into(), "What happens when the rule cannot be asked".into());
    on_fault.insert("default".into(), default.to_string().into());
    let off = json!({ "type": "boolean", "default": false, "description": "Switches the rule off" });

    rule.insert("type".into(), "object".into());
    let properties = rule.entry("properties").or_insert_with(|| Map::new().into());
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("off".into(), off);
        properties.insert("on-fault".into(), on_fault.into());
        properties.insert("delivery".into(), delivery());
    }
    if !rule.contains_key("unevaluatedProperties") {
        rule.insert("additionalProperties".into(), false.into());
    }
    rule.into()
}

/// The same table as a pool may write it: the base may have what it leaves out, at any depth, but not inside arrays, since
/// those are replaced as a whole.
fn partial(schema: &Value, definitions: &Map<String, Value>, depth: usize) -> Value {
    let Some(object) = schema.as_object().filter(|_| depth > 0) else { return schema.clone() };
    if let Some(name) = object.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/")) {
        let referred = definitions.get(name).filter(|referred| referred.get("properties").is_some());
        let Some(referred) = referred else { return schema.clone() };
        let mut whole = partial(referred, definitions, depth - 1);
        if let Some(whole) = whole.as_object_mut() {
            whole.extend(
                object.iter().filter(|(key, _)| *key != "$ref").map(|(key, value)| (key.clone(), value.clone())),
            );
        }
        return whole;
    }
    let mut object = object.clone();
    object.remove("required");
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        for property in properties.values_mut() {
            *property = partial(property, definitions, depth - 1);
        }
    }
    object.into()
}
