"""Checkpoints shaped as other frameworks write them, without those frameworks. Each keeps one list of
floats; `write` puts it into a new file or folder, `read` gets it back, or raises where it is not whole."""

import json
import os
import struct
import zipfile


def _packed(values):
    return struct.pack("<{}f".format(len(values)), *values)


def _unpacked(data):
    return list(struct.unpack("<{}f".format(len(data) // 4), data))


class TorchZip:
    """A stored ZIP archive, as `torch.save` makes: the shape in a pickle, the numbers beside it."""

    ending = ".pt"

    @staticmethod
    def write(path, values):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
            archive.writestr("archive/byteorder", b"little")
            archive.writestr("archive/data/0", _packed(values))
            archive.writestr("archive/version", b"3\n")

    @staticmethod
    def read(path):
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise ValueError("a checksum of {} does not fit".format(path))
            return _unpacked(archive.read("archive/data/0"))


class Safetensors:
    """The header's length, the header, the numbers; https://github.com/huggingface/safetensors."""

    ending = ".safetensors"

    @staticmethod
    def write(path, values):
        data = _packed(values)
        place = {"dtype": "F32", "shape": [len(values)], "data_offsets": [0, len(data)]}
        header = json.dumps({"__metadata__": {"format": "pt"}, "weight": place}).encode("ascii")
        header += b" " * (-len(header) % 8)
        with open(path, "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header + data)

    @staticmethod
    def read(path):
        with open(path, "rb") as file:
            whole = file.read()
        start = 8 + struct.unpack("<Q", whole[:8])[0]
        first, end = json.loads(whole[8:start].decode("ascii"))["weight"]["data_offsets"]
        if len(whole) != start + end:
            raise ValueError("{} is cut off".format(path))
        return _unpacked(whole[start + first : start + end])


class Folder:
    """A folder with a file for the weights and others around it, as trainers of language models make."""

    ending = ""

    @staticmethod
    def write(path, values):
        os.makedirs(os.path.join(path, "rng"))
        Safetensors.write(os.path.join(path, "model.safetensors"), values)
        with open(os.path.join(path, "trainer_state.json"), "w") as file:
            json.dump({"weights": len(values)}, file)
        with open(os.path.join(path, "rng", "0.bin"), "wb") as file:
            file.write(bytes(range(256)))

    @staticmethod
    def read(path):
        values = Safetensors.read(os.path.join(path, "model.safetensors"))
        with open(os.path.join(path, "trainer_state.json")) as file:
            if json.load(file)["weights"] != len(values):
                raise ValueError("{} is of two checkpoints".format(path))
        return values


SHAPES = (TorchZip, Safetensors, Folder)
