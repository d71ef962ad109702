//! What the contract says: calls, messages and fields, each with its comment. Read from the descriptors that the messages are generated from.

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use souk_proto::v1;

/// The file that has the marketplace.
const FILE: &str = "souk/v1/market.proto";

/// Where things are in a descriptor, by the numbers of its fields: comments are found so.
const PACKAGE: i32 = 2;
const MESSAGES: i32 = 4;
const SERVICES: i32 = 6;
/// A message's fields, and a service's calls.
const MEMBERS: i32 = 2;

/// The marketplace's part of the contract.
pub(super) struct Contract(FileDescriptorProto);

/// A service.
pub(super) struct Service {
    pub(super) name: String,
    pub(super) about: String,
}

/// A call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rpc {
    pub(super) name: String,
    pub(super) service: String,
    pub(super) about: String,
    pub(super) request: String,
    pub(super) answer: String,
}

/// A message.
pub(super) struct Message {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) fields: Vec<Field>,
}

/// A field of a message.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) kind: Kind,
    pub(super) is_list: bool,
    /// Whether not being there means something else than its default.
    pub(super) is_optional: bool,
}

/// What a field holds.
pub(super) enum Kind {
    Text,
    Integer,
    Natural,
    Boolean,
    Message(String),
    /// Nothing that JSON has a form for.
    Other,
}

impl Contract {
    pub(super) fn read() -> Contract {
        let all = FileDescriptorSet::decode(v1::FILE_DESCRIPTOR_SET).expect("the build has written descriptors");
        let ours = all.file.into_iter().find(|file| file.name() == FILE);
        Contract(ours.expect("the contract has the marketplace"))
    }

    /// What stands at the top.
    pub(super) fn about(&self) -> String {
        self.comment(&[PACKAGE])
    }

    pub(super) fn services(&self) -> Vec<Service> {
        let service = |(number, name)| Service { name, about: self.comment(&[SERVICES, number]) };
        (0..).zip(self.0.service.iter().map(|service| service.name().to_owned())).map(service).collect()
    }

    pub(super) fn rpcs(&self) -> Vec<Rpc> {
        let services = (0..).zip(&self.0.service);
        let rpcs = services.flat_map(|(at, service)| {
            (0..).zip(&service.method).map(move |(number, method)| Rpc {
                name: method.name().to_owned(),
                service: service.name().to_owned(),
                about: self.comment(&[SERVICES, at, MEMBERS, number]),
                request: last(method.input_type()),
                answer: last(method.output_type()),
            })
        });
        rpcs.collect()
    }

    pub(super) fn messages(&self) -> Vec<Message> {
        let message = |(at, message): (i32, &prost_types::DescriptorProto)| Message {
            name: message.name().to_owned(),
            about: self.comment(&[MESSAGES, at]),
            fields: (0..).zip(&message.field).map(|(number, field)| self.field(at, number, field)).collect(),
        };
        (0..).zip(&self.0.message_type).map(message).collect()
    }

    fn field(&self, at: i32, number: i32, field: &FieldDescriptorProto) -> Field {
        let kind = match field.r#type() {
            Type::String => Kind::Text,
            Type::Int64 => Kind::Integer,
            Type::Uint32 => Kind::Natural,
            Type::Bool => Kind::Boolean,
            Type::Message => Kind::Message(last(field.type_name())),
            _ => Kind::Other,
        };
        Field {
            name: field.name().to_owned(),
            about: self.comment(&[MESSAGES, at, MEMBERS, number]),
            kind,
            is_list: field.label() == Label::Repeated,
            is_optional: field.proto3_optional(),
        }
    }

    /// The comment over what is there.
    fn comment(&self, path: &[i32]) -> String {
        let places = self.0.source_code_info.iter().flat_map(|info| &info.location);
        let comment = places.filter(|place| place.path == path).find_map(|place| place.leading_comments.as_deref());
        comment.unwrap_or_default().lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned()
    }
}

/// `.souk.v1.Vendor` without where it is.
fn last(name: &str) -> String {
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_comment() {
        let contract = Contract::read();
        assert!(contract.about().starts_with("A marketplace"), "{}", contract.about());
        assert!(contract.services().iter().all(|service| !service.about.is_empty()));
        let silent: Vec<Rpc> = contract.rpcs().into_iter().filter(|rpc| rpc.about.is_empty()).collect();
        assert!(silent.is_empty(), "without a comment: {silent:?}");
        let messages = contract.messages();
        let stars = messages.iter().flat_map(|message| &message.fields).find(|field| field.name == "stars");
        assert_eq!(stars.unwrap().about, "1 to 5.");
    }
}
