// SPDX-License-Identifier: Apache-2.0
// Tensors of executors: shared memory that a device gave, mapped, with a description of its own.
#include "inner/handles.h"
#include "inner/sizes.h"

#include <new>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace nnrt {

size_t Needed(const NN_TensorDesc &desc)
{
    uint64_t count = 0;
    const size_t each = SizeOf(desc.type);
    if (desc.dims.empty() || each == 0 || Elements(desc.dims, count) != Count::EXACT || count > MOST_SHARED_BYTES / each) {
        return 0;
    }
    return static_cast<size_t>(count) * each;
}

}

using nnrt::Needed;

namespace {

NN_Tensor *Map(const nnrt::Device &device, const NN_TensorDesc &desc, int fd, bool owned, size_t size, size_t offset)
{
    void *data = mmap(nullptr, size - offset, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset));
    NN_Tensor *made = data == MAP_FAILED ? nullptr : new (std::nothrow) NN_Tensor;
    if (made == nullptr) {
        if (owned) {
            close(fd);
        }
        return nullptr;
    }
    made->device = device.id;
    made->desc = desc;
    made->fd = fd;
    made->owned = owned;
    made->size = size;
    made->offset = offset;
    made->data = data;
    return made;
}

NN_Tensor *Allocate(size_t deviceID, const NN_TensorDesc &desc, size_t size)
{
    nnrt::Device *device = nnrt::FindDevice(deviceID);
    if (device == nullptr || size == 0 || size > nnrt::MOST_SHARED_BYTES) {
        return nullptr;
    }
    const int fd = device->Allocate(size);
    return fd < 0 ? nullptr : Map(*device, desc, fd, true, size, 0);
}

}

NN_Tensor *OH_NNTensor_Create(size_t deviceID, NN_TensorDesc *tensorDesc)
{
    NNRT_CALL(nullptr);
    return tensorDesc == nullptr ? nullptr : Allocate(deviceID, *tensorDesc, Needed(*tensorDesc));
}

NN_Tensor *OH_NNTensor_CreateWithSize(size_t deviceID, NN_TensorDesc *tensorDesc, size_t size)
{
    NNRT_CALL(nullptr);
    if (tensorDesc == nullptr || Needed(*tensorDesc) == 0 || size < Needed(*tensorDesc)) {
        return nullptr;
    }
    return Allocate(deviceID, *tensorDesc, size);
}

NN_Tensor *OH_NNTensor_CreateWithFd(size_t deviceID, NN_TensorDesc *tensorDesc, int fd, size_t size, size_t offset)
{
    NNRT_CALL(nullptr);
    if (tensorDesc == nullptr || fd < 0 || size == 0 || size < offset || Needed(*tensorDesc) == 0 || size - offset < Needed(*tensorDesc)) {
        return nullptr;
    }
    const nnrt::Device *device = nnrt::FindDevice(deviceID);
    struct stat there{};
    // Shared memory of the kernel refuses a mapping that is larger than it; a file would give a signal at the first touch.
    if (device == nullptr || fstat(fd, &there) != 0 || static_cast<uint64_t>(there.st_size) < size) {
        return nullptr;
    }
    return Map(*device, *tensorDesc, fd, false, size, offset);
}

OH_NN_ReturnCode OH_NNTensor_Destroy(NN_Tensor **tensor)
{
    if (tensor == nullptr || *tensor == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    NN_Tensor *gone = *tensor;
    munmap(gone->data, gone->size - gone->offset);
    if (gone->owned) {
        close(gone->fd);
    }
    delete gone;
    *tensor = nullptr;
    NNRT_CALL_CODE();
    return OH_NN_SUCCESS;
}

NN_TensorDesc *OH_NNTensor_GetTensorDesc(const NN_Tensor *tensor)
{
    NNRT_CALL(nullptr);
    return tensor == nullptr ? nullptr : const_cast<NN_TensorDesc *>(&tensor->desc);
}

void *OH_NNTensor_GetDataBuffer(const NN_Tensor *tensor)
{
    NNRT_CALL(nullptr);
    return tensor == nullptr ? nullptr : tensor->data;
}

OH_NN_ReturnCode OH_NNTensor_GetFd(const NN_Tensor *tensor, int *fd)
{
    NNRT_CALL_CODE();
    if (tensor == nullptr || fd == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    *fd = tensor->fd;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensor_GetSize(const NN_Tensor *tensor, size_t *size)
{
    NNRT_CALL_CODE();
    if (tensor == nullptr || size == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    *size = tensor->size;
    return OH_NN_SUCCESS;
}

OH_NN_ReturnCode OH_NNTensor_GetOffset(const NN_Tensor *tensor, size_t *offset)
{
    NNRT_CALL_CODE();
    if (tensor == nullptr || offset == nullptr) {
        return OH_NN_INVALID_PARAMETER;
    }
    *offset = tensor->offset;
    return OH_NN_SUCCESS;
}
