from tests.support.onboarding import *
from workflow.states.instance import Actor
def test_resume_bypass(house, jane):
    """x"""
    jane.enrolled()
    old = jane.totp
    house.wait("P31D")
    assert jane.state == "abandoned"
    jane.signed_in().fire("resume")
    jane.enrol_authenticator()
    print("BYPASS", jane.state)
    jane.sign_in_freshly()
    assert False
def test_lockout(house, jane):
    """x"""
    jane.enrolled().sign_in_freshly().fire("remove_authenticator")
    house.wait("PT20M")
    jane.signed_in()
    print(jane.refused("add_authenticator"))
    assert False
def test_engine_actor(house, jane):
    """x"""
    jane.requested()
    jane.approve(Actor.of("engine","network_team:ERKNet"))
    print(jane.entry("approve")["actor"])
    assert False
def test_lead_bypass(house, jane):
    """x"""
    house.roles["network_team:ERKNet"]=[]
    jane.requested(organisation={"network": "ERKNet", "country": "DE", "centre": "erknet-de-sample"})
    house.roles["network_team:ERKNet"]=["tess"]
    jane.fire("resume_held", HAL)
    print("LEAD", jane.state)
    assert False
def test_totp_pending_forever(house, jane):
    """x"""
    jane.enrolled().sign_in_freshly()
    jane.scan_authenticator()
    house.wait("PT20M")
    print(jane.refused("confirm_authenticator", code=jane.totp_code))
    jane.scan
def test_leaver(house, jane):
    """x"""
    jane.requested()
    house.roles["network_team:ERKNet"]=[]
    house.until("2026-11-26T09:00:00+01:00")
    print([ (m.effect.name,m.effect.to,m.state,m.last_error) for m in house.outbox(jane.id)], house.subjects_to(OPERATORS))
    assert False
