//! A route's plan as the pipeline wants it.

use crate::config::{self, BodyPlan, DebeziumPlan, FormPlan, RoutePlan, ShapePlan};
use crate::pipeline::{Body, CacheForm, Road, RouteSettings, Shape, TableFilter};
use crate::sink::format::debezium::{CloudEvents, Debezium, DebeziumOptions, Encoding, Form, Outbox, Unwrap};
use std::collections::HashMap;
use std::sync::Arc;

/// # Errors
/// If an option of the body has a value that it can not have.
pub(super) fn settings(plan: &RoutePlan, roads: &HashMap<String, Arc<Road>>) -> Result<RouteSettings, String> {
    let tables = plan.tables.clone().map(|globs| Arc::new(move |name: &str| globs.matches(name)) as TableFilter);
    Ok(RouteSettings {
        name: plan.name.clone(),
        road: roads[&plan.to].clone(),
        tables,
        ops: plan.ops.clone(),
        only_named: plan.only_named,
        messages: plan.messages.clone().map(|globs| Arc::new(move |prefix: &str| globs.matches(prefix)) as TableFilter),
        member: plan.member.clone(),
        key: plan.key.clone(),
        headers: plan.headers.clone(),
        shape: shape(plan).map_err(|reason| format!("route {}: {reason}", plan.name))?,
    })
}

fn shape(plan: &RoutePlan) -> Result<Shape, String> {
    let body = || body(&plan.body);
    Ok(match &plan.shape {
        ShapePlan::Request { method, path } => {
            Shape::Request { method: method.as_str().into(), path: path.clone(), body: body()? }
        }
        ShapePlan::Record { topic, prefix, tombstones } => {
            let (flat, debezium) = match &plan.body {
                BodyPlan::Flat => (true, debezium(&DebeziumPlan::default(), prefix.clone(), Form::default())?),
                BodyPlan::Debezium(options) => {
                    let form = form(options.form, &options.form_options)?.of_records();
                    (false, debezium(options, prefix.clone(), form)?)
                }
            };
            Shape::Record { topic: topic.clone(), tombstones: *tombstones, debezium, flat }
        }
        ShapePlan::Cache { key, value } => Shape::Cache { key: key.clone(), value: cache_form(value) },
        ShapePlan::Stream { stream, max_len } => {
            Shape::Stream { stream: stream.clone(), max_len: *max_len, body: body()? }
        }
        ShapePlan::Publish { channel } => Shape::Publish { channel: channel.clone(), body: body()? },
        ShapePlan::List { list } => Shape::List { list: list.clone(), body: body()? },
    })
}

fn body(plan: &BodyPlan) -> Result<Body, String> {
    Ok(match plan {
        BodyPlan::Flat => Body::Flat,
        BodyPlan::Debezium(options) => {
            Body::Debezium(debezium(options, None, form(options.form, &options.form_options)?)?)
        }
    })
}

fn debezium(plan: &DebeziumPlan, prefix: Option<String>, form: Form) -> Result<Box<Debezium>, String> {
    let options = DebeziumOptions::parse(encoding(plan), &plan.options)?;
    Ok(Box::new(Debezium::new(options, prefix).of_form(form)))
}

/// What becomes of a change.
///
/// # Errors
/// A sentence that names the option and what it may be.
pub fn form(plan: FormPlan, options: &[(String, String)]) -> Result<Form, String> {
    Ok(match plan {
        FormPlan::Envelope => Form::Envelope,
        FormPlan::Unwrap => Form::Unwrap(Unwrap::parse(options)?),
        FormPlan::Outbox => Form::Outbox(Box::new(Outbox::parse(options)?)),
        FormPlan::CloudEvents => Form::CloudEvents(CloudEvents::parse(options)?),
    })
}

fn encoding(plan: &DebeziumPlan) -> Encoding {
    match plan.encoding {
        config::Encoding::Json if plan.schemas => Encoding::Schemas,
        config::Encoding::Json => Encoding::Plain,
        config::Encoding::Avro => Encoding::Avro,
    }
}

fn cache_form(plan: &config::CacheForm) -> CacheForm {
    match plan {
        config::CacheForm::Json => CacheForm::Json,
        config::CacheForm::Hash => CacheForm::Hash,
        config::CacheForm::Text(text) => CacheForm::Text(text.clone()),
    }
}
