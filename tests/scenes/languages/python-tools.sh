#: needs python3 /usr/lib/python3/dist-packages/xdist /usr/lib/python3.11/ensurepip
#: seconds 240
# A virtual environment, a wheel built by hand and installed by pip, pytest with several workers, compileall -j.
export HOME=$PWD PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
python3 -m venv v && v/bin/python -c 'import sys; print(sys.prefix != sys.base_prefix)'
v/bin/pip --version | cut -d' ' -f1,2
python3 - <<'P'
import zipfile
with zipfile.ZipFile('demo-1.0-py3-none-any.whl', 'w') as z:
    z.writestr('demo.py', 'def main(): print("demo runs")\n')
    z.writestr('demo-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n')
    z.writestr('demo-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
    z.writestr('demo-1.0.dist-info/entry_points.txt', '[console_scripts]\ndemo = demo:main\n')
    z.writestr('demo-1.0.dist-info/RECORD', '')
P
v/bin/pip install -q --no-index ./demo-1.0-py3-none-any.whl; echo $?; v/bin/demo; v/bin/pip list --format=freeze | grep demo
v/bin/pip uninstall -qy demo; echo $?; v/bin/demo 2>/dev/null; echo $?
mkdir t; cat > t/test_a.py <<'P'
import os, pytest, subprocess
@pytest.mark.parametrize('i', range(20))
def test_many(i, tmp_path): (tmp_path / 'f').write_text(str(i)); assert int((tmp_path / 'f').read_text()) == i
def test_fails(): assert subprocess.run(['false']).returncode == 0
def test_capture(capfd): os.system('echo from child'); assert capfd.readouterr().out == 'from child\n'
def test_monkey(monkeypatch): monkeypatch.setenv('A', 'b'); assert subprocess.check_output('echo $A', shell=True) == b'b\n'
@pytest.mark.skip
def test_skipped(): pass
P
for n in 0 3; do python3 -B -m pytest -p no:cacheprovider -q -n $n t 2>&1 | tail -n 1 | sed 's/ in .*//'; done
python3 -m compileall -q -j 2 t; ls t/__pycache__ | wc -l
