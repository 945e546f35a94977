//! What the events of one aggregate have in common: an enum whose variants each hold one struct, stored under a wire
//! name and a schema version, and read back by them.

/// `"wire_name" v1 => Variant(Content)` for every event of an aggregate.
macro_rules! events {
    ($(#[$meta:meta])* $name:ident { $($wire:literal v $version:literal => $variant:ident($content:ty),)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $(#[serde(rename = $wire)] $variant($content),)*
        }

        impl $name {
            /// Wire name and newest schema version of every variant.
            pub const TYPES: &[(&str, i16)] = &[$(($wire, $version),)*];

            pub const fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $wire,)*
                }
            }

            pub const fn schema_version(&self) -> i16 {
                match self {
                    $(Self::$variant(_) => $version,)*
                }
            }

            pub(crate) fn payload(&self) -> Result<String, serde_json::Error> {
                match self {
                    $(Self::$variant(content) => serde_json::to_string(content),)*
                }
            }

            /// `None`: no such event. The payload must already have its newest shape.
            pub(crate) fn parse(event_type: &str, payload: &str) -> Option<Result<Self, serde_json::Error>> {
                match event_type {
                    $($wire => Some(serde_json::from_str(payload).map(Self::$variant)),)*
                    _ => None,
                }
            }
        }

        impl cqrs_es::DomainEvent for $name {
            fn event_type(&self) -> String {
                self.event_type().to_owned()
            }

            fn event_version(&self) -> String {
                self.schema_version().to_string()
            }
        }
    };
}

/// The aggregate as `cqrs-es` knows it: commands arrive with their time, and the pure decision does the rest.
macro_rules! cqrs_aggregate {
    ($aggregate:ty) => {
        impl cqrs_es::Aggregate for $aggregate {
            const TYPE: &'static str = <Self as crate::decider::Decider>::KIND.as_str();

            type Command = crate::decider::At<<Self as crate::decider::Decider>::Command>;
            type Event = <Self as crate::decider::Decider>::Event;
            type Error = <Self as crate::decider::Decider>::Error;
            type Services = ();

            async fn handle(
                &mut self,
                crate::decider::At { at, command }: Self::Command,
                (): &(),
                sink: &cqrs_es::event_sink::EventSink<Self>,
            ) -> Result<(), Self::Error> {
                for event in crate::decider::Decider::decide(self, at, &command)? {
                    sink.write(event, self).await;
                }
                Ok(())
            }

            fn apply(&mut self, event: Self::Event) {
                crate::decider::Decider::apply(self, &event);
            }
        }
    };
}

pub(crate) use {cqrs_aggregate, events};
