package spec

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/backout-dev/backout"
)

// protocol compares two sets of Protocol Buffers descriptors.
func protocol(a, b backout.Attachment) (Difference, error) {
	var sides [2]schema
	for i, x := range []backout.Attachment{a, b} {
		files, err := readProtocol(x)
		if err != nil {
			return Difference{}, err
		}
		sides[i] = schemaOf(files)
	}
	return sides[0].against(sides[1]), nil
}

// readProtocol reads a .proto file without what it imports, or a descriptor set.
func readProtocol(a backout.Attachment) ([]*descriptorpb.FileDescriptorProto, error) {
	if a.Kind == backout.AttachmentDescriptors {
		var set descriptorpb.FileDescriptorSet
		if err := proto.Unmarshal(a.Body, &set); err != nil || len(set.GetFile()) == 0 {
			return nil, invalid(a.Name, 0, "expected a FileDescriptorSet, as protoc --descriptor_set_out or buf build write it")
		}
		return set.GetFile(), nil
	}
	handler := reporter.NewHandler(nil)
	ast, err := parser.Parse(a.Name, bytes.NewReader(a.Body), handler)
	if err == nil {
		var result parser.Result
		if result, err = parser.ResultFromAST(ast, true, handler); err == nil {
			return []*descriptorpb.FileDescriptorProto{result.FileDescriptorProto()}, nil
		}
	}
	line := 0
	var placed reporter.ErrorWithPos
	if errors.As(err, &placed) {
		line, err = placed.GetPosition().Line, placed.Unwrap()
	}
	return nil, invalid(a.Name, line, "expected Protocol Buffers: "+firstLine(err))
}

// schema is what a set of files declares, by full name.
type schema struct {
	messages map[string]*descriptorpb.DescriptorProto
	enums    map[string]*descriptorpb.EnumDescriptorProto
	methods  map[string]*descriptorpb.MethodDescriptorProto
}

func schemaOf(files []*descriptorpb.FileDescriptorProto) schema {
	s := schema{map[string]*descriptorpb.DescriptorProto{}, map[string]*descriptorpb.EnumDescriptorProto{}, map[string]*descriptorpb.MethodDescriptorProto{}}
	for _, f := range files {
		pre := ""
		if f.GetPackage() != "" {
			pre = f.GetPackage() + "."
		}
		s.add(pre, f.GetMessageType(), f.GetEnumType())
		for _, service := range f.GetService() {
			for _, m := range service.GetMethod() {
				s.methods[pre+service.GetName()+"/"+m.GetName()] = m
			}
		}
	}
	return s
}

func (s schema) add(pre string, messages []*descriptorpb.DescriptorProto, enums []*descriptorpb.EnumDescriptorProto) {
	for _, e := range enums {
		s.enums[pre+e.GetName()] = e
	}
	for _, m := range messages {
		s.messages[pre+m.GetName()] = m
		s.add(pre+m.GetName()+".", m.GetNestedType(), m.GetEnumType())
	}
}

// against says what who was built against this schema meets at another.
func (s schema) against(served schema) Difference {
	var d Difference
	for _, name := range slices.Sorted(maps.Keys(s.methods)) {
		d.method(name, s.methods[name], served.methods[name])
	}
	for _, name := range slices.Sorted(maps.Keys(s.messages)) {
		if to, ok := served.messages[name]; ok {
			d.message(name, s.messages[name], to)
		} else {
			d.breaks("message %s is not there", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.enums)) {
		if to, ok := served.enums[name]; ok {
			d.enum(name, s.enums[name], to)
		} else {
			d.breaks("enum %s is not there", name)
		}
	}
	return d
}

func (d *Difference) breaks(format string, args ...any) {
	d.Breaks = append(d.Breaks, fmt.Sprintf(format, args...))
}

func (d *Difference) doubt(format string, args ...any) {
	d.Doubts = append(d.Doubts, fmt.Sprintf(format, args...))
}

func (d *Difference) method(name string, from, to *descriptorpb.MethodDescriptorProto) {
	switch {
	case to == nil:
		d.breaks("method %s is not there", name)
	case bare(from.GetInputType()) != bare(to.GetInputType()):
		d.breaks("method %s takes %s instead of %s", name, bare(to.GetInputType()), bare(from.GetInputType()))
	case bare(from.GetOutputType()) != bare(to.GetOutputType()):
		d.breaks("method %s answers %s instead of %s", name, bare(to.GetOutputType()), bare(from.GetOutputType()))
	case from.GetClientStreaming() != to.GetClientStreaming(), from.GetServerStreaming() != to.GetServerStreaming():
		d.breaks("method %s streams differently", name)
	}
}

// bare is a type's name without its package: a file read alone names types of its
// own without it, a descriptor set with it.
func bare(name string) string {
	return name[strings.LastIndexByte(name, '.')+1:]
}

func (d *Difference) message(name string, from, to *descriptorpb.DescriptorProto) {
	served := map[int32]*descriptorpb.FieldDescriptorProto{}
	for _, f := range to.GetField() {
		served[f.GetNumber()] = f
	}
	for _, f := range from.GetField() {
		d.field(name, f, served[f.GetNumber()])
		delete(served, f.GetNumber())
	}
	for _, number := range slices.Sorted(maps.Keys(served)) {
		if f := served[number]; f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REQUIRED {
			d.breaks("field %s.%s (%d) is new and required", name, f.GetName(), number)
		}
	}
}

func (d *Difference) field(message string, from, to *descriptorpb.FieldDescriptorProto) {
	name := fmt.Sprintf("%s.%s (%d)", message, from.GetName(), from.GetNumber())
	if to == nil {
		d.breaks("field %s is not there", name)
		return
	}
	was, is := typeOf(from), typeOf(to)
	renamed := from.GetName() != to.GetName()
	switch {
	case was != is && renamed:
		d.breaks("field number %d of %s was %s %s and is used again for %s %s", from.GetNumber(), message, was, from.GetName(), is, to.GetName())
	case was != is && related(was, is):
		d.doubt("field %s is %s instead of %s", name, is, was)
	case was != is:
		d.breaks("field %s is %s instead of %s", name, is, was)
	case from.GetLabel() != to.GetLabel():
		d.breaks("field %s is %s instead of %s", name, label(to), label(from))
	case renamed:
		d.doubt("field %s is called %s: fine in binary, not in JSON", name, to.GetName())
	case (from.OneofIndex == nil) != (to.OneofIndex == nil) && !from.GetProto3Optional() && !to.GetProto3Optional():
		d.doubt("field %s moved into or out of a oneof", name)
	}
}

func label(f *descriptorpb.FieldDescriptorProto) string {
	return strings.ToLower(strings.TrimPrefix(f.GetLabel().String(), "LABEL_"))
}

// typeOf names a field's type; of messages and enums the bare name, since a file
// read alone doesn't know which of the two it is.
func typeOf(f *descriptorpb.FieldDescriptorProto) string {
	if f.GetTypeName() != "" {
		return bare(f.GetTypeName())
	}
	return strings.ToLower(strings.TrimPrefix(f.GetType().String(), "TYPE_"))
}

// related reports whether two types have one form on the wire, so that values
// that fit both get through.
func related(a, b string) bool {
	for _, family := range [][]string{
		{"int32", "int64", "uint32", "uint64", "bool"}, {"sint32", "sint64"}, {"fixed32", "sfixed32"}, {"fixed64", "sfixed64"}, {"string", "bytes"},
	} {
		if slices.Contains(family, a) && slices.Contains(family, b) {
			return true
		}
	}
	return false
}

func (d *Difference) enum(name string, from, to *descriptorpb.EnumDescriptorProto) {
	served := map[int32]string{}
	for _, v := range to.GetValue() {
		served[v.GetNumber()] = v.GetName()
	}
	for _, v := range from.GetValue() {
		switch is, ok := served[v.GetNumber()]; {
		case !ok:
			d.breaks("value %s (%d) of enum %s is not there", v.GetName(), v.GetNumber(), name)
		case is != v.GetName():
			d.doubt("value %s (%d) of enum %s is called %s", v.GetName(), v.GetNumber(), name, is)
		}
	}
}
