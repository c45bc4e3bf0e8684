package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// compile parses and links the sources, with their comments, which become the comments of the Go code.
func compile(ctx context.Context, root string, sources []string) (linker.Files, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	return compiler.Compile(ctx, sources...)
}

// generate asks protoc-gen-go for the code of the sources and returns it by file name.
func generate(ctx context.Context, root string, sources []string, files linker.Files) (map[string][]byte, error) {
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: sources,
		Parameter:      new("paths=source_relative"),
		ProtoFile:      withImports(files),
	}
	response, err := askPlugin(ctx, root, request)
	if err != nil {
		return nil, err
	}
	generated := make(map[string][]byte, len(response.GetFile()))
	for _, file := range response.GetFile() {
		generated[file.GetName()] = []byte(file.GetContent())
	}
	return generated, nil
}

// withImports returns the descriptors of files and of all they import, each after its own imports, as plugins want them.
func withImports(files linker.Files) []*descriptorpb.FileDescriptorProto {
	var sorted []*descriptorpb.FileDescriptorProto
	seen := map[string]bool{}
	var visit func(file protoreflect.FileDescriptor)
	visit = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			visit(file.Imports().Get(i).FileDescriptor)
		}
		sorted = append(sorted, protoutil.ProtoFromFileDescriptor(file))
	}
	for _, file := range files {
		visit(file)
	}
	return sorted
}

// askPlugin runs protoc-gen-go in the version that root's go.mod pins.
func askPlugin(ctx context.Context, root string, request *pluginpb.CodeGeneratorRequest) (*pluginpb.CodeGeneratorResponse, error) {
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("encode the request to protoc-gen-go: %w", err)
	}
	plugin := exec.CommandContext(ctx, "go", "tool", "protoc-gen-go")
	plugin.Dir = root
	plugin.Stdin = bytes.NewReader(in)
	plugin.Stderr = os.Stderr
	out, err := plugin.Output()
	if err != nil {
		return nil, fmt.Errorf("go tool protoc-gen-go: %w", err)
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(out, response); err != nil {
		return nil, fmt.Errorf("decode the answer of protoc-gen-go: %w", err)
	}
	if response.Error != nil {
		return nil, errors.New(response.GetError())
	}
	return response, nil
}
