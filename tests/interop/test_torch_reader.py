"""Files of PyTorch are read to the last bit, and nothing in them is ever run."""

import base64
import collections
import contextlib
import io
import os
import pickle
import struct
import zipfile
import zlib

import ml_dtypes
import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.interop import torch_reader

# torch.save of the same dict by PyTorch 2.13: the zip format, and the one before it.
FILES = {
  "zip": (
    'c-p0vU2oe|7{^au>ZGRY8?bg|ly`8UOA{xJleJr_2xS*W&;^i8C1g3tS!~UX^VlaHL#n7WTE-od5O9UKh7SNYNc#ZW1vk6m0%;f1q)Gb'
    '<JLfpfY*$%WdlbiUeE$FE=X0Lt@ur$cB9u;}BV!uPBExN()(&228N|qRuiCZhB-#p%z4$I5NfW8SBL=~G%W4vcHJgrY<0i43jwgQNwy='
    'v^AJRJ_#Fy%jkhBRZu#M~3&0ND)+a!=|5{E|1=sjZDo~XOH(X;H9PH@L_Tzy9tVN8;=6c6OMMjM0ROT?P(801s`PZ3gDjLykIT1(J#v)'
    'hAlRUjZ<R*@Q469@2unowg0F!8;~SWXd`tix0Qi1geJZo#xk<C%h)GSen^m|+eHHGTlIYK$4Z=sUbb;N?1;=4;?Pn1+1?=6rphvC1KH#'
    'R29#$IQVQY91%B!14Cs6*aaGXMN*W2`tv(HSIK=*yv<By=}c=kfw<}ow!ExDusMK6yzhP(;ftPg9nh|O&TCZ;4K<pX~{Q!o4`ADcsD@Y'
    'unZ608?psm!!@=s!LA6>;i7Q!JS_S2@Av6HVD!s=kaGkwby&H{FS6f3t`2f<7xLOTRqE8wU|9tPet%VCDF?+}Q1}+_VArF$10^-)d0s<'
    'H@@>amD613vqC<(`Jg4{y*0eFUMAXuQ^-Goi`~<#Kd31-3y9aQAYi!FSaPdp1NNViko4A+RR8#5kZ~s7l#}Pj^hZe&ex;Q9?%oWGoHi+'
    'J5tX0oPYT|iDjxqfC_}?4sN!T%*VF4*m8TvJ#8@AQ%Y~v28RrANeC>9t%<r+Ms&yV8I1eigU0YKwA!49kIT6OINkH2MGgxHud>|eNlMx'
    'arIXEIC%HiG5PO7>*y@4N0*=+_4Q&|{Atzilw0xgQ?fnx{ABM-VNCiE_27^uLL2SI})1D|LD6KFiVMh*%rpSaPkpev;+iO7)!?L-*bTh'
    'XqZKU|0_`<ZIOuI{y0mYtG{T{Mo&4M#rB*YlHZM5>$>0kQZ6xe|~L$K05ywk^Hm(`J;Q-wP*!?ZLk-eZnbLF%yWX|vWikF%8Fc8%H`5('
    'Ay<@Fvr1W!6*`KALcY9OluKD&rN2*~{X(J~5~qwY*a2s-jZGgRkG{vF>R<z!3n@<}(6GiAH3>G6g^<aupvjTW74-==f|-!dY!V%9Kv8+'
    'HY9~YTpOPrjJEGcP6^6CaSVWtPYJ=4i*8UjP%291F^TXPCA)?JkwZYt-3Tb}{Xou`sFr^m5Yn?(Pl6_MZgyqB1NSqre#mM<a+&}-7I&3'
    'up|Fzbi;J@|81YaZa`TpD|t)Fde'),
  "legacy": (
    'c-nPS%Wl&^6!jxbsA)@i70RpS?eGY0nxqY{R0y?;;b}JBRMx~EYJ+R%dd7t!Marh3@C__j@)`XA_y@K~`~VUQuI;pHr7*I`o_p_{bI+Z'
    '*J>|0&{Qa{0XZFpv7t@uV^7NOAa~CAtnv^7|6GtL)qQKr@G54boWDKyz(G&PW1k7fk>(daFZA(L=*z7Qy`yUtwwF?E^8bKrXqFBHPQ7j'
    'c#ekh<w3RWS-h{81}kwTK}a;6|$P{C~1cLc}|atF*2NX@n9vCCrSK1PoQO4$Tex5iQ!y2;|oJLa!>0t$|ZV#ll4iSPri*)eM;e&E`Ig*'
    '=Mwjj9GCx^9&+q9~?o42t;{Z8?ajc$FJ9C|MI2)2z)e7=}@;SDUq(0f#aTPA7p;QhX*rdr2gs5Va47iAv-?jD7Ob%*F*wm~doYdLoHK='
    'E9_h>|W6uihk6~QIDmlDpC4yoX9Eoi5&H$fGHDBWmU>iJsP}*(>dlq#iLBdTw_nj^e$DS*_^8{HWsV(2An}E1*y(v0=D2Bk+<M{PIE!P'
    'j0v;W6mDyWl`vVi+f+Cn<F<&Y^A=@XJV5yb&vB3L(m`dldb4W4Wu%jl?h4YC%Q?+e0oP2pzE4ftryTVE9AJmWbe#znYfv6u#QOX~!+;w'
    'DWj6=PZl%g@=adxzcT6z0v&Gy;sG2aJbfIRAB94vd)TM$#J@Yp#G)l10g~jZ;?6yFY$ei<bc7wTK9k@%zvPFpb!97dH-}i7oyZdc~<nU'
    'mn^;62mO6&Lcbo}VU!@LE2E}*pvOFGtPo28Agnl{3aBa??+8D&_t)nRohu!@o=A?>uJouagV^jbJA;e&4v->*yZz*8E0mA%+J<{z<690'
    'C'),
}
MARKER = "jaxgan_was_here"


@pytest.fixture(params=FILES)
def saved(request, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(zlib.decompress(base64.b85decode(FILES[request.param])))
    return path


def zipped(data: bytes, path, **entries: bytes):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("top/data.pkl", data)
        for name, content in entries.items():
            archive.writestr(f"top/data/{name}", content)
    return path


def test_what_pytorch_saved(saved):
    content = torch_reader.load(saved)
    assert {key: content[key] for key in ("step", "name", "betas", "list")} == {
        "step": 12, "name": "x", "betas": (0.5, 0.9), "list": [1, None, True]}
    tensors = content["state_dict"]
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(tensors["layer.weight"], weight, strict=True)
    np.testing.assert_array_equal(tensors["layer.turned"], weight.T, strict=True)
    np.testing.assert_array_equal(tensors["layer.half"], np.array([1.5, -2], ml_dtypes.bfloat16), strict=True)
    np.testing.assert_array_equal(tensors["layer.bias"], np.float32([3, 4]), strict=True)
    np.testing.assert_array_equal(tensors["bn.num_batches_tracked"], np.array(7), strict=True)
    assert set(torch_reader.read(saved)) == {f"state_dict.{name}" for name in tensors}


def test_a_file_cut_anywhere_is_refused(saved):
    content = saved.read_bytes()
    for length in range(0, len(content), 23):
        saved.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"weights\.pth"):
            torch_reader.load(saved)


def test_changed_bytes_are_refused_or_read_never_run(saved):
    content = saved.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(120):
        changed = bytearray(content)
        changed[rng.integers(len(content))] = rng.integers(256)
        saved.write_bytes(changed)
        with contextlib.suppress(InputError):
            torch_reader.load(saved)


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


HOSTILE = {
    "posix.system": Hostile(os.system, f"touch {MARKER}"),
    "builtins.eval": Hostile(eval, f"open('{MARKER}', 'w')"),
    "builtins.getattr": Hostile(getattr, "", "join"),
    "collections.deque": collections.deque([1]),
}


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_by_name(name, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps({"weight": [1.5, HOSTILE[name]]}, protocol)
    (tmp_path / "plain.pth").write_bytes(data)
    zipped(data, tmp_path / "zip.pth")
    # Protocol 0 writes even plain data by instructions that no file of PyTorch has.
    expected = f"(?s){name.replace('builtins', '(builtins|__builtin__)')}|instruction" if protocol == 0 else (
        name.replace("builtins", "(builtins|__builtin__)"))
    for file in ("plain.pth", "zip.pth"):
        with pytest.raises(InputError, match=expected) as caught:
            torch_reader.load(tmp_path / file)
        assert "refused" in str(caught.value)
    assert not (tmp_path / MARKER).exists()


def test_names_by_every_instruction(tmp_path):
    for code in (b"cos\nsystem\n(S'true'\ntR.", b"(S'true'\nios\nsystem\n.", b"\x80\x04\x8c\x02os\x8c\x06system\x93."):
        with pytest.raises(InputError, match=r"asks for os\.system"):
            torch_reader.load(zipped(code, tmp_path / "x.pth"))
    for code in (b"\x80\x02\x82\x01.", b"\x80\x05\x97.", b"\x80\x02}2."):  # EXT1, NEXT_BUFFER, DUP
        with pytest.raises(InputError, match="refused: its pickle holds the instruction"):
            torch_reader.load(zipped(code, tmp_path / "x.pth"))


def storage_pickle(*, count: int, size: tuple, stride: tuple, offset: int = 0) -> bytes:
    """A zip format pickle of one float32 tensor, written by hand."""
    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def number(value):
        return b"\x8a\x08" + struct.pack("<q", value)

    def numbers(values):
        return b"(" + b"".join(map(number, values)) + b"t"

    identity = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(count) + b"tQ"
    arguments = identity + number(offset) + numbers(size) + numbers(stride) + b"\x89)t"
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"R."


def test_tensors_that_reach_outside_their_storage(tmp_path):
    data = np.arange(4, dtype=np.float32)
    good = zipped(storage_pickle(count=4, size=(2, 2), stride=(2, 1)), tmp_path / "x.pth", **{"0": data.tobytes()})
    np.testing.assert_array_equal(torch_reader.load(good), data.reshape(2, 2))
    bad = [{"count": 4, "size": (5,), "stride": (1,)}, {"count": 4, "size": (4,), "stride": (1,), "offset": 1},
           {"count": 4, "size": (2,), "stride": (-1,), "offset": 3}, {"count": 4, "size": (1 << 40,), "stride": (0,)},
           {"count": 5, "size": (5,), "stride": (1,)}, {"count": 1 << 60, "size": (1,), "stride": (1,)},
           {"count": -1, "size": (1,), "stride": (1,)}, {"count": 4, "size": (2, 2), "stride": (1,)}]
    for case in bad:
        with pytest.raises(InputError, match="damaged"):
            torch_reader.load(zipped(storage_pickle(**case), tmp_path / "x.pth", **{"0": data.tobytes()}))


def test_bombs(tmp_path):
    doubling = b"\x80\x02]q\x00" + b"".join(b"]q%ch%ca" % (i + 1, i) + b"h%ca" % i for i in range(200)) + b"."
    with pytest.raises(InputError):
        torch_reader.read(zipped(doubling, tmp_path / "x.pth"))
    squeezed = tmp_path / "y.pth"
    with zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("top/data.pkl", storage_pickle(count=4, size=(4,), stride=(1,)))
        archive.writestr("top/data/0", bytes(16))
    with pytest.raises(InputError, match="damaged"):
        torch_reader.load(squeezed)
    with pytest.raises(InputError, match="damaged"):
        torch_reader.load(zipped(b"\x80\x02\x8e" + struct.pack("<Q", 1 << 50) + b"x.", tmp_path / "x.pth"))


def test_other_files(tmp_path):
    path = tmp_path / "x.pth"
    for content in (b"", b"hello", bytes(1000), np.random.default_rng(0).bytes(4096), b"\x89PNG\r\n"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"x\.pth"):
            torch_reader.load(path)
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    path.write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=r"x\.pth is damaged"):
        torch_reader.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        torch_reader.load(tmp_path / "none.pth")
    with pytest.raises(InputError, match="holds no arrays"):
        torch_reader.read(zipped(pickle.dumps({"a": 1}, 2), path))
