package backout

import "time"

// Attachment is a file that a pipeline hands in with a change, so that contracts
// can be inferred: the API that this version serves, or the migration that leads
// to it.
type Attachment struct {
	Kind AttachmentKind `json:"kind"`
	Name string         `json:"name"` // the file's name, for messages
	Body []byte         `json:"body"` // at most [MaxAttachment] bytes; base64 in JSON
}

// MaxAttachment bounds an attachment's body, in bytes.
const MaxAttachment = 512 << 10

// AttachmentKind says what an attachment is.
type AttachmentKind string

// The kinds of attachment.
const (
	AttachmentOpenAPI     AttachmentKind = "openapi"     // OpenAPI 3, YAML or JSON
	AttachmentProto       AttachmentKind = "proto"       // a .proto file
	AttachmentDescriptors AttachmentKind = "descriptors" // a FileDescriptorSet, as protoc and buf write it
	AttachmentMigration   AttachmentKind = "migration"   // SQL with goose's Up and Down sections
)

// Attached is an attachment where it was kept: of which version of what, since when.
type Attached struct {
	Attachment
	Component ComponentID `json:"component"`
	Version   Version     `json:"version"`
	At        time.Time   `json:"at"`
}
